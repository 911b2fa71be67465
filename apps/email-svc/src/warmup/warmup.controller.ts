import { Controller, Delete, Get, HttpCode, Inject, Put, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import { QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import { knownMailboxProviders, type Tenant, type WarmupPlan } from '@signalbox/tenants';
import type { Logger } from '@signalbox/telemetry';
import type { z } from 'zod';
import { changeSetting, dateOf } from './warmup.rules.ts';
import { warmupsOf } from './warmup.queries.ts';
import { poolParam, warmupChange, warmupList, warmupPool, type WarmupView } from './warmup.schemas.ts';
import { deleteSetting, lockSettings, putSetting, readSettings } from './warmup.store.ts';

@ApiTags('warm-up')
@Controller('v1/warmup')
@UseGuards(ApiTokenGuard)
export class WarmupController {
  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(QuotaBook) private readonly quotas: QuotaBook,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Get()
  @Scopes('read')
  @ApiOperation({
    summary: 'The warm-up plans of IP pools, and how far they are today',
    description: 'A day is one in UTC. The critical lane takes part in no plan: it goes through the warm pool at once.',
  })
  @ZodResponse(200, warmupList)
  async list(@CurrentTenant() tenant: Tenant): Promise<{ pools: WarmupView[] }> {
    return { pools: await this.#views(tenant) };
  }

  @Put(':pool')
  @Scopes('admin')
  @ApiOperation({
    summary: 'Pause a plan, resume it, set its day, or limit it otherwise',
    description:
      'Holds for all replicas within a second; what is left out stays as it is. A plan with another start in the tenant file is ' +
      'another plan, and goes as written.',
  })
  @ZodResponse(200, warmupPool)
  async change(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('pool', poolParam) pool: string,
    @ZodBody(warmupChange) change: z.output<typeof warmupChange>,
  ): Promise<WarmupView> {
    const plan = planOf(tenant, pool);
    refuseUnknownProviders(tenant, change.caps?.perProvider ?? {});
    await this.transact(async (tx) => {
      const settings = await lockSettings(tx, tenant.name);
      const setting = changeSetting(pool, plan, settings.get(pool), change, dateOf(new Date()));
      await putSetting(tx, tenant.name, setting);
    });
    this.log.info({ tenant: tenant.name, pool, ...change }, 'a warm-up plan was changed');
    return this.#changed(tenant, pool);
  }

  @Delete(':pool')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({ summary: 'Go back to the plan as the tenant file has it' })
  @ZodResponse(200, warmupPool)
  async reset(@CurrentTenant() tenant: Tenant, @ZodParam('pool', poolParam) pool: string): Promise<WarmupView> {
    planOf(tenant, pool);
    const known = await this.transact(async (tx) => {
      await lockSettings(tx, tenant.name);
      return deleteSetting(tx, tenant.name, pool);
    });
    if (!known) throw new ProblemException(404, 'Not Found', 'Nothing was set of this plan over this API');
    this.log.info({ tenant: tenant.name, pool }, 'a warm-up plan goes as the tenant file says again');
    return this.#changed(tenant, pool);
  }

  async #changed(tenant: Tenant, pool: string): Promise<WarmupView> {
    await this.quotas.changed();
    const view = (await this.#views(tenant)).find((one) => one.pool === pool);
    if (!view) throw new Error('a plan that was just changed is not there');
    return view;
  }

  async #views(tenant: Tenant): Promise<WarmupView[]> {
    return this.transact(async (tx) => {
      const now = new Date();
      await this.quotas.reread(tx);
      const settings = (await readSettings(tx)).get(tenant.name);
      return warmupsOf(tx, tenant, settings, this.quotas.of(tenant.name), now);
    });
  }
}

function planOf({ email }: Tenant, pool: string): WarmupPlan {
  const pools = email?.ipPools ?? {};
  const plan = Object.hasOwn(pools, pool) ? pools[pool]?.warmup : undefined;
  if (plan) return plan;
  throw new ProblemException(404, 'Not Found', 'The tenant has no pool of this name with a warm-up plan');
}

function refuseUnknownProviders({ email }: Tenant, caps: Readonly<Record<string, number>>): void {
  const known = new Set<string>([...knownMailboxProviders, ...Object.keys(email?.mailboxProviders ?? {}), 'other']);
  const errors = Object.keys(caps)
    .filter((name) => !known.has(name))
    .map((name) => ({ pointer: `#/caps/perProvider/${name}`, detail: 'is no mailbox provider' }));
  if (errors.length > 0) throw new ProblemException(422, 'Unknown provider', 'No such mailbox provider', { errors });
}
