import { isDeepStrictEqual } from 'node:util';
import type { FactoryProvider } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { type GivenQuotas, type Quotas, quotasOf } from './quota.rules.ts';
import { readQuotas, type RuntimeQuotas } from './quota.store.ts';

/** A change made by another replica is seen this soon. */
const freshMs = 500;

const dayMs = 86_400_000;

/** The quotas in force: the tenant file's, and in front of them what was set at run time, at most half a second old. */
export class QuotaBook {
  readonly #transact: Transact;
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #given: (tenant: Tenant, now: Date) => GivenQuotas;
  #runtime: RuntimeQuotas = new Map();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;
  /** By tenant, with what they were made from, to see when that changes. */
  readonly #made = new Map<string, { from: readonly unknown[]; quotas: Quotas }>();
  readonly #listeners: (() => void)[] = [];

  /** @param given what the tenant file says; asked again when it changes and when a day begins in UTC */
  constructor(
    transact: Transact,
    tenants: Pick<TenantDirectory, 'byName'>,
    given: (tenant: Tenant, now: Date) => GivenQuotas,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#given = given;
  }

  /** As last read; good enough to line something up, which dispatch corrects. */
  of(tenantName: string): Quotas {
    const tenant = this.#tenants.byName(tenantName);
    const runtime = this.#runtime.get(tenantName) ?? none;
    const day = Math.floor(Date.now() / dayMs);
    const made = this.#made.get(tenantName);
    if (made && made.from[0] === tenant && made.from[1] === runtime && made.from[2] === day) return made.quotas;
    const quotas = quotasOf(tenant ? this.#given(tenant, new Date()) : [], runtime);
    this.#made.set(tenantName, { from: [tenant, runtime, day], quotas });
    return quotas;
  }

  /** Reads again what may have changed; to be called before quotas decide over a send. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAt < freshMs) return;
    this.#reading ??= this.#transact((tx) => this.reread(tx)).finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  /** Reads again at once, inside a transaction. */
  async reread(tx: Transaction): Promise<void> {
    const startedAt = performance.now();
    const runtime = await readQuotas(tx);
    const kept = [...runtime].map(([tenant, quotas]) => {
      const old = this.#runtime.get(tenant);
      return [tenant, old && isDeepStrictEqual(old, quotas) ? old : quotas] as const;
    });
    this.#runtime = new Map(kept);
    this.#readAt = startedAt;
  }

  /** Quotas were changed here: this replica knows at once, the others within half a second. */
  async changed(): Promise<void> {
    await this.#transact((tx) => this.reread(tx));
    for (const tell of this.#listeners) tell();
  }

  /** Has `tell` called whenever quotas were changed here. */
  onChange(tell: () => void): void {
    this.#listeners.push(tell);
  }
}

/** Provides the `QuotaBook` of a service. */
export function quotaBook(given: (tenant: Tenant, now: Date) => GivenQuotas): FactoryProvider {
  return {
    provide: QuotaBook,
    inject: [TRANSACT, TenantDirectory],
    useFactory: (transact: Transact, tenants: TenantDirectory) => new QuotaBook(transact, tenants, given),
  };
}

const none: RuntimeQuotas extends ReadonlyMap<string, infer Scopes> ? Scopes : never = new Map();
