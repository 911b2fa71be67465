import { Controller, Delete, Get, HttpCode, Inject, Put, type Type, UseGuards } from '@nestjs/common';
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
import { z } from 'zod';
import { defaultBurst, newBucket, usedToday } from './bucket.rules.ts';
import { nextDay } from './day.rules.ts';
import { QuotaBook } from './quota.book.ts';
import { accountScope, bucketKey, type Quota, type QuotaKind, quotaOf, type Scope } from './quota.rules.ts';
import { type LimitsBody, type QuotaBody, quotaBody } from './quota.schemas.ts';
import { deleteQuota, putQuota, readBuckets } from './quota.store.ts';

const description =
  'Holds for all replicas within a second, and in place of the quota in the tenant file; {} lifts that one.';

/** The controllers of `/v1/quotas`: the list, the account's, and one for each kind of the service. */
export function quotaControllers(kinds: readonly QuotaKind<never>[]): Type[] {
  const quota = quotaBody(kinds);
  const settable = kinds.filter(({ imposed }) => !imposed);
  return [accountController(kinds, quota), ...settable.map((kind) => kindController(kind, quota))];
}

/** What the controllers have in common: to set a quota and to take it back. */
class QuotaKeeper {
  constructor(
    @Inject(TRANSACT) protected readonly transact: Transact,
    @Inject(QuotaBook) protected readonly book: QuotaBook,
  ) {}

  protected async set(tenant: Tenant, scope: Scope, limits: LimitsBody): Promise<QuotaBody> {
    const set = await this.transact(async (tx) => {
      await putQuota(tx, tenant.name, scope, limits);
      return describe(tx, tenant.name, [quotaOf(scope, limits, 'runtime')]);
    });
    await this.book.changed();
    return set[0] as QuotaBody;
  }

  protected async unset(tenant: Tenant, scope: Scope): Promise<void> {
    const known = await this.transact((tx) => deleteQuota(tx, tenant.name, scope));
    if (!known) throw new ProblemException(404, 'Not Found', 'No such quota was set over this API');
    await this.book.changed();
  }
}

function accountController(kinds: readonly QuotaKind<never>[], quota: ReturnType<typeof quotaBody>): Type {
  const names = new Set([accountScope.kind, ...kinds.map(({ name }) => name)]);
  const under = [...names].join(', ');

  @ApiTags('quotas')
  @Controller('v1/quotas')
  @UseGuards(ApiTokenGuard)
  @Scopes('admin')
  class QuotaController extends QuotaKeeper {
    @Get()
    @ApiOperation({
      summary: 'The quotas in force',
      description: `A slot of each that it falls under is needed: ${under}.`,
    })
    @ZodResponse(200, z.object({ quotas: z.array(quota) }).meta({ id: 'QuotaList' }))
    async list(@CurrentTenant() tenant: Tenant): Promise<{ quotas: QuotaBody[] }> {
      return this.transact(async (tx) => {
        await this.book.reread(tx);
        const all = [...this.book.of(tenant.name).values()];
        // What a service gives quotas to and lets nobody set has routes of its own.
        const told = all.filter(({ scope }) => names.has(scope.kind));
        return { quotas: await describe(tx, tenant.name, told) };
      });
    }

    @Put('account')
    @ApiOperation({ summary: 'Set the quota of the whole account', description })
    @ZodResponse(200, quota)
    async putAccount(@CurrentTenant() tenant: Tenant, @ZodBody(quotaLimits) limits: LimitsBody) {
      return this.set(tenant, accountScope, limits);
    }

    @Delete('account')
    @HttpCode(204)
    @ApiOperation({ summary: "Go back to the tenant file's quota for the account, or none" })
    async deleteAccount(@CurrentTenant() tenant: Tenant): Promise<void> {
      await this.unset(tenant, accountScope);
    }
  }
  return QuotaController;
}

function kindController(kind: QuotaKind<never>, quota: ReturnType<typeof quotaBody>): Type {
  const { name, plural } = kind;
  const meant = (value: string, tenant: Tenant) => kind.resolve?.(value, tenant) ?? value;

  @ApiTags('quotas')
  @Controller(`v1/quotas/${plural}`)
  @UseGuards(ApiTokenGuard)
  @Scopes('admin')
  class KindController extends QuotaKeeper {
    @Put(`:${name}`)
    @ApiOperation({
      operationId: `putQuota_${plural}`,
      summary: `Set the quota of ${kind.description}`,
      description,
    })
    @ZodResponse(200, quota)
    async put(
      @CurrentTenant() tenant: Tenant,
      @ZodParam(name, kind.value) written: string,
      @ZodBody(quotaLimits) limits: LimitsBody,
    ) {
      const value = meant(written, tenant);
      if (kind.isKnown?.(value, tenant) === false) throw unknown(name);
      return this.set(tenant, { kind: name, value }, limits);
    }

    @Delete(`:${name}`)
    @HttpCode(204)
    @ApiOperation({
      operationId: `deleteQuota_${plural}`,
      summary: `Go back to the tenant file's quota for a ${name}, or none`,
    })
    async delete(@CurrentTenant() tenant: Tenant, @ZodParam(name, kind.value) written: string): Promise<void> {
      await this.unset(tenant, { kind: name, value: meant(written, tenant) });
    }
  }
  return KindController;
}

function unknown(name: string): ProblemException {
  const errors = [{ parameter: name, detail: 'is not one of this tenant' }];
  return new ProblemException(422, `Unknown ${name}`, `The ${name} does not belong to this tenant`, { errors });
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
