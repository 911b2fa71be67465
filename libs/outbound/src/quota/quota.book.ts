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

export type Given<State> = (tenant: Tenant, now: Date, state: State | undefined) => GivenQuotas;
export type ReadStates<State> = (tx: Transaction) => Promise<ReadonlyMap<string, State>>;

/** The quotas in force: the tenant file's, and in front of them what was set at run time, at most half a second old. */
export class QuotaBook<State = unknown> {
  readonly #transact: Transact;
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #given: Given<State>;
  readonly #readStates: ReadStates<State> | undefined;
  #runtime: RuntimeQuotas = new Map();
  #states: ReadonlyMap<string, State> = new Map();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;
  /** By tenant, with what they were made from, to see when that changes. */
  readonly #made = new Map<string, { from: readonly unknown[]; quotas: Quotas }>();
  readonly #listeners: (() => void)[] = [];

  /**
   * @param given what the tenant file says; asked again when it changes, when a day begins in UTC and when the state changes
   * @param readStates what else `given` depends on, by tenant; read as often as the quotas
   */
  constructor(
    transact: Transact,
    tenants: Pick<TenantDirectory, 'byName'>,
    given: Given<State>,
    readStates?: ReadStates<State>,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#given = given;
    this.#readStates = readStates;
  }

  /** As last read; good enough to line something up, which dispatch corrects. */
  of(tenantName: string): Quotas {
    const tenant = this.#tenants.byName(tenantName);
    const runtime = this.#runtime.get(tenantName) ?? none;
    const state = this.#states.get(tenantName);
    const from = [tenant, runtime, Math.floor(Date.now() / dayMs), state];
    const made = this.#made.get(tenantName);
    if (made && from.every((part, index) => part === made.from[index])) return made.quotas;
    const quotas = quotasOf(tenant ? this.#given(tenant, new Date(), state) : [], runtime);
    this.#made.set(tenantName, { from, quotas });
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
    this.#runtime = keepEqual(this.#runtime, await readQuotas(tx));
    if (this.#readStates) this.#states = keepEqual(this.#states, await this.#readStates(tx));
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
export function quotaBook<State>(given: Given<State>, readStates?: ReadStates<State>): FactoryProvider {
  return {
    provide: QuotaBook,
    inject: [TRANSACT, TenantDirectory],
    useFactory: (transact: Transact, tenants: TenantDirectory) => new QuotaBook(transact, tenants, given, readStates),
  };
}

/** The new values by tenant; where one is the same as before, the old object, by which is seen that nothing has changed. */
function keepEqual<Value>(before: ReadonlyMap<string, Value>, now: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map(
    [...now].map(([tenant, value]) => {
      const old = before.get(tenant);
      return [tenant, old !== undefined && isDeepStrictEqual(old, value) ? old : value];
    }),
  );
}

const none: RuntimeQuotas extends ReadonlyMap<string, infer Scopes> ? Scopes : never = new Map();
