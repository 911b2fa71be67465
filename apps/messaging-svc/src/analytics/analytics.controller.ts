import { Controller, Delete, Get, HttpCode, Inject, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import { run, type Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { Tenant } from '@signalbox/tenants';
import { recentAnomalies } from './anomaly.store.ts';
import { closePumping } from './watch.ts';
import { type Block, liftBlock } from './block.store.ts';
import { findErrors } from './errors.queries.ts';
import {
  anomalyList,
  type AnomalyView,
  blockedPrefixList,
  type BlockedPrefixView,
  errorsAnswer,
  type ErrorsAnswer,
  errorsQuery,
  type ErrorsQuery,
  prefixParam,
} from './errors.schemas.ts';

const month = 30 * 24 * 3_600_000;
const maxAnomalies = 200;

@ApiTags('analytics')
@Controller('v1/analytics')
@UseGuards(ApiTokenGuard)
export class AnalyticsController {
  readonly #transact: Transact;

  constructor(@Inject(TRANSACT) transact: Transact) {
    this.#transact = transact;
  }

  @Get('errors')
  @Scopes('read')
  @ApiOperation({
    summary: 'Failures by country, prefix, carrier, sender and code',
    description: 'From hourly and daily counts, about a second old. What is told apart is in `by`.',
  })
  @ZodResponse(200, errorsAnswer)
  async errors(@CurrentTenant() tenant: Tenant, @ZodQuery(errorsQuery) query: ErrorsQuery): Promise<ErrorsAnswer> {
    return this.#transact((tx) => findErrors(tx, tenant.name, query, new Date()));
  }

  @Get('anomalies')
  @Scopes('read')
  @ApiOperation({ summary: 'Anomalies that are open, and those of the last 30 days' })
  @ZodResponse(200, anomalyList)
  async anomalies(@CurrentTenant() tenant: Tenant): Promise<{ anomalies: AnomalyView[] }> {
    const since = new Date(Date.now() - month);
    const anomalies = await this.#transact((tx) => recentAnomalies(tx, tenant.name, since, maxAnomalies));
    return { anomalies: anomalies.map(({ id, tenant: _, ...anomaly }) => ({ anomalyId: id, ...anomaly })) };
  }

  @Get('blocked-prefixes')
  @Scopes('admin')
  @ApiOperation({ summary: 'Prefixes that are blocked for bulk messages, because they look like SMS pumping' })
  @ZodResponse(200, blockedPrefixList)
  async blockedPrefixes(@CurrentTenant() tenant: Tenant): Promise<{ blockedPrefixes: BlockedPrefixView[] }> {
    const { rows } = await this.#transact((tx) =>
      run<Block>(
        tx,
        `select * from blocked_prefixes
         where tenant = $1 and expires_at > now() and lifted_at is null order by blocked_at desc`,
        [tenant.name],
      ),
    );
    const view = ({ prefix, signs, blocked_at, expires_at }: Block) => ({
      prefix,
      signs,
      blockedAt: blocked_at.toISOString(),
      expiresAt: expires_at.toISOString(),
    });
    return { blockedPrefixes: rows.map(view) };
  }

  @Delete('blocked-prefixes/:prefix')
  @HttpCode(204)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Lift the block of a prefix',
    description:
      'It is not blocked again before the block would have ended; its anomaly closes, and what was held in line goes out.',
  })
  async liftBlock(@CurrentTenant() tenant: Tenant, @ZodParam('prefix', prefixParam) prefix: string): Promise<void> {
    const now = new Date();
    const lifted = await this.#transact(async (tx) => {
      const known = await liftBlock(tx, tenant.name, prefix, now);
      if (known) await closePumping(tx, tenant.name, prefix, now);
      return known;
    });
    if (!lifted) throw new ProblemException(404, 'Not Found', 'No such prefix is blocked');
  }
}
