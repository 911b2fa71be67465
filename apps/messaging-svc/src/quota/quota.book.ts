import { Inject, Injectable } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { isDeepStrictEqual } from 'node:util';
import { type Quotas, quotasOf } from './quota.rules.ts';
import { readQuotas, type RuntimeQuotas } from './quota.store.ts';

/** A change made by another replica is seen this soon. */
const freshMs = 500;

/** The quotas in force: the tenant file's, and in front of them what was set at run time, at most half a second old. */
@Injectable()
export class QuotaBook {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  #runtime: RuntimeQuotas = new Map();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;
  /** By tenant, with what they were made from, to see when that changes. */
  readonly #made = new Map<string, { from: readonly unknown[]; quotas: Quotas }>();

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(TenantDirectory) tenants: TenantDirectory) {
    this.#transact = transact;
    this.#tenants = tenants;
  }

  /** As last read; good enough to line a message up, which dispatch corrects. */
  of(tenantName: string): Quotas {
    const tenant = this.#tenants.byName(tenantName);
    const runtime = this.#runtime.get(tenantName) ?? none;
    const made = this.#made.get(tenantName);
    if (made && made.from[0] === tenant && made.from[1] === runtime) return made.quotas;
    const quotas = quotasOf(tenant, runtime);
    this.#made.set(tenantName, { from: [tenant, runtime], quotas });
    return quotas;
  }

  /** Reads again what may have changed; to be called before quotas decide over a send. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAt < freshMs) return;
    this.#reading ??= this.#transact((tx) => this.reread(tx)).finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  /** Reads again at once, inside the transaction that has changed something. */
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
}

const none: RuntimeQuotas extends ReadonlyMap<string, infer Scopes> ? Scopes : never = new Map();
