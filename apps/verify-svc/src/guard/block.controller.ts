import { Controller, Delete, Get, HttpCode, Inject, Put, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { v7 as uuidv7 } from 'uuid';
import type { Block } from './block.ts';
import { reportBlocks } from './block.report.ts';
import {
  blockList,
  type BlockRequest,
  blockRequest,
  blockView,
  type BlockView,
  prefixesQuery,
  type PrefixesQuery,
  prefixList,
  prefixParam,
  type PrefixView,
} from './block.schemas.ts';
import { addBlocks, endBlocks, endedBlocks, standingBlocks } from './block.store.ts';
import { findPrefixes } from './prefix.queries.ts';

const month = 30 * 24 * 3_600_000;
const maxEnded = 200;

@ApiTags('guard')
@Controller('v1/verify')
@UseGuards(ApiTokenGuard)
@Scopes('admin')
export class BlockController {
  readonly #transact: Transact;
  readonly #log: Logger;

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(LOGGER) log: Logger) {
    this.#transact = transact;
    this.#log = log;
  }

  @Get('blocks')
  @ApiOperation({ summary: 'Prefixes that get no codes: because they look like SMS pumping, or by an administrator' })
  @ZodResponse(200, blockList)
  async list(@CurrentTenant() tenant: { name: string }): Promise<{ blocks: BlockView[]; ended: BlockView[] }> {
    return this.#transact(async (tx) => ({
      blocks: (await standingBlocks(tx, tenant.name)).filter(isInForce).map(toView),
      ended: (await endedBlocks(tx, tenant.name, new Date(Date.now() - month), maxEnded)).map(toView),
    }));
  }

  @Put('blocks/:prefix')
  @ApiOperation({
    summary: 'Block a prefix',
    description: 'In place of a block that is there. It holds for new verifications, resends and fallbacks at once.',
  })
  @ZodResponse(200, blockView)
  async put(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('prefix', prefixParam) prefix: string,
    @ZodBody(blockRequest) { expiresAt, note }: BlockRequest,
  ): Promise<BlockView> {
    const now = new Date();
    if (expiresAt !== null && Date.parse(expiresAt) <= now.getTime()) {
      throw new ProblemException(400, 'Invalid request', 'The block would be over already', {
        errors: [{ pointer: '#/expiresAt', detail: 'must be in the future' }],
      });
    }
    const block: Block = {
      id: uuidv7(),
      tenant: tenant.name,
      prefix,
      level: 'manual',
      madeBy: 'admin',
      signs: [],
      note,
      started: 0,
      approved: 0,
      usualShare: 0,
      blockedAt: now.toISOString(),
      expiresAt,
      endedAt: null,
      endedBy: null,
    };
    const [ended, made] = await this.#transact(async (tx) => {
      const standing = (await standingBlocks(tx, tenant.name)).filter((other) => other.prefix === prefix);
      const replaced = await endBlocks(
        tx,
        standing.map(({ id }) => id),
        'replaced',
        now,
      );
      return [replaced, await addBlocks(tx, [block])];
    });
    if (made.length === 0)
      throw new ProblemException(409, 'Conflict', 'The prefix was blocked by another at the same time; look again');
    reportBlocks(this.#log, [...ended, ...made]);
    return toView(block);
  }

  @Delete('blocks/:prefix')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Lift the block of a prefix',
    description: "The guard's own: it is not blocked again before the block would have ended, and its anomaly closes.",
  })
  async lift(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('prefix', prefixParam) prefix: string,
  ): Promise<void> {
    const lifted = await this.#transact(async (tx) => {
      const standing = (await standingBlocks(tx, tenant.name)).filter((block) => block.prefix === prefix);
      const ids = standing.filter(isInForce).map(({ id }) => id);
      return endBlocks(tx, ids, 'admin', new Date());
    });
    if (lifted.length === 0) throw new ProblemException(404, 'Not Found', 'No such prefix is blocked');
    reportBlocks(this.#log, lifted);
  }

  @Get('prefixes')
  @Scopes('read')
  @ApiOperation({ summary: 'How many verifications of a prefix are approved, of late and usually' })
  @ZodResponse(200, prefixList)
  async prefixes(
    @CurrentTenant() tenant: { name: string },
    @ZodQuery(prefixesQuery) query: PrefixesQuery,
  ): Promise<{ prefixes: PrefixView[] }> {
    return { prefixes: await this.#transact((tx) => findPrefixes(tx, tenant.name, query, new Date())) };
  }
}

function isInForce({ expiresAt }: Block): boolean {
  return expiresAt === null || Date.parse(expiresAt) > Date.now();
}

function toView({ id, tenant: _tenant, usualShare: _usual, ...block }: Block): BlockView {
  return {
    blockId: id,
    ...block,
    signs: [...block.signs],
    started: Math.round(block.started),
    approved: Math.round(block.approved),
  };
}
