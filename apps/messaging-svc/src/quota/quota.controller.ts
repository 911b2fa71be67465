import { Controller, Delete, Get, HttpCode, Inject, Put, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import { quotaLimits, type Tenant } from '@signalbox/tenants';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { defaultBurst, newBucket, usedToday } from './bucket.rules.ts';
import { nextDay } from './day.rules.ts';
import { QuotaBook } from './quota.book.ts';
import { bucketKey, type Quota, quotaOf, type Scope, senderOf } from './quota.rules.ts';
import { type LimitsBody, prefixParam, type QuotaBody, quota, quotaList, senderParam } from './quota.schemas.ts';
import { deleteQuota, putQuota, readBuckets } from './quota.store.ts';

const account: Scope = { kind: 'account', value: '' };

const description =
  'Holds for all replicas within a second, and in place of the quota in the tenant file; {} lifts that one.';

@ApiTags('quotas')
@Controller('v1/quotas')
@UseGuards(ApiTokenGuard)
@Scopes('admin')
export class QuotaController {
  readonly #transact: Transact;
  readonly #book: QuotaBook;
  readonly #dispatcher: Dispatcher;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(QuotaBook) book: QuotaBook,
    @Inject(Dispatcher) dispatcher: Dispatcher,
  ) {
    this.#transact = transact;
    this.#book = book;
    this.#dispatcher = dispatcher;
  }

  @Get()
  @ApiOperation({
    summary: 'The quotas in force',
    description: 'A message needs a slot of each that it falls under: account, sender, longest matching prefix.',
  })
  @ZodResponse(200, quotaList)
  async list(@CurrentTenant() tenant: Tenant): Promise<{ quotas: QuotaBody[] }> {
    return this.#transact(async (tx) => {
      await this.#book.reread(tx);
      return { quotas: await describe(tx, tenant.name, [...this.#book.of(tenant.name).values()]) };
    });
  }

  @Put('account')
  @ApiOperation({ summary: 'Set the quota of the whole account', description })
  @ZodResponse(200, quota)
  async putAccount(@CurrentTenant() tenant: Tenant, @ZodBody(quotaLimits) limits: LimitsBody) {
    return this.#put(tenant, account, limits);
  }

  @Put('senders/:sender')
  @ApiOperation({ summary: 'Set the quota of a sender, or of a messaging service by its name', description })
  @ZodResponse(200, quota)
  async putSender(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('sender', senderParam) sender: string,
    @ZodBody(quotaLimits) limits: LimitsBody,
  ) {
    return this.#put(tenant, senderScope(tenant, sender), limits);
  }

  @Put('prefixes/:prefix')
  @ApiOperation({ summary: 'Set the quota of destinations that begin with this prefix', description })
  @ZodResponse(200, quota)
  async putPrefix(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('prefix', prefixParam) value: string,
    @ZodBody(quotaLimits) limits: LimitsBody,
  ) {
    return this.#put(tenant, { kind: 'prefix', value }, limits);
  }

  @Delete('account')
  @HttpCode(204)
  @ApiOperation({ summary: "Go back to the tenant file's quota for the account, or none" })
  async deleteAccount(@CurrentTenant() tenant: Tenant): Promise<void> {
    await this.#delete(tenant, account);
  }

  @Delete('senders/:sender')
  @HttpCode(204)
  @ApiOperation({ summary: "Go back to the tenant file's quota for a sender, or none" })
  async deleteSender(@CurrentTenant() tenant: Tenant, @ZodParam('sender', senderParam) sender: string): Promise<void> {
    await this.#delete(tenant, { kind: 'sender', value: senderOf(tenant, sender) });
  }

  @Delete('prefixes/:prefix')
  @HttpCode(204)
  @ApiOperation({ summary: "Go back to the tenant file's quota for a prefix, or none" })
  async deletePrefix(@CurrentTenant() tenant: Tenant, @ZodParam('prefix', prefixParam) value: string): Promise<void> {
    await this.#delete(tenant, { kind: 'prefix', value });
  }

  async #put(tenant: Tenant, scope: Scope, limits: LimitsBody): Promise<QuotaBody> {
    const set = await this.#transact(async (tx) => {
      await putQuota(tx, tenant.name, scope, limits);
      return describe(tx, tenant.name, [quotaOf(scope, limits, 'runtime')]);
    });
    await this.#takeUp();
    return set[0] as QuotaBody;
  }

  async #delete(tenant: Tenant, scope: Scope): Promise<void> {
    const known = await this.#transact((tx) => deleteQuota(tx, tenant.name, scope));
    if (!known) throw new ProblemException(404, 'Not Found', 'No such quota was set over this API');
    await this.#takeUp();
  }

  /** This replica knows at once, the others within half a second. */
  async #takeUp(): Promise<void> {
    await this.#transact((tx) => this.#book.reread(tx));
    this.#dispatcher.nudge();
  }
}

function senderScope(tenant: Tenant, name: string): Scope {
  const value = senderOf(tenant, name);
  const known =
    Object.values(tenant.messagingServices).includes(value) || tenant.senders.includes(value.replace(/^whatsapp:/, ''));
  if (known || tenant.senders.includes(value)) return { kind: 'sender', value };
  const errors = [{ parameter: 'sender', detail: 'is not a sender or messaging service of this tenant' }];
  throw new ProblemException(422, 'Unknown sender', 'The sender does not belong to this tenant', { errors });
}

async function describe(tx: Transaction, tenant: string, quotas: readonly Quota[]): Promise<QuotaBody[]> {
  const now = Date.now();
  const buckets = await readBuckets(
    tx,
    quotas.map(({ scope }) => ({ tenant, scope })),
  );
  return quotas.map(({ scope, limits, budget, source }) => {
    const bucket = buckets.get(bucketKey(tenant, scope)) ?? newBucket;
    const capped = budget.dailyCap < Infinity;
    return {
      ...scope,
      limits: {
        rate: limits.rate ?? null,
        burst: limits.burst ?? (limits.rate ? defaultBurst(limits.rate) : null),
        dailyCap: limits.dailyCap ?? null,
        dailyReserve: limits.dailyReserve ?? null,
        timeZone: capped ? budget.timeZone : null,
      },
      source,
      usedToday: capped ? usedToday(budget, bucket, now) : null,
      resetsAt: capped ? new Date(nextDay(now, budget.timeZone)).toISOString() : null,
    };
  });
}
