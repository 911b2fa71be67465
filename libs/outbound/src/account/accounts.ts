import type { Lane } from '@signalbox/contracts';
import type { TenantDirectory } from '@signalbox/tenants';
import type { TenantRoom } from '../dispatch/allot.rules.ts';
import type { SendOutcome } from '../dispatch/outcome.ts';
import type { DispatchMetrics } from '../metrics.ts';
import {
  type Account,
  type AccountHold,
  type AccountPolicy,
  admit,
  heldUntil,
  holdOf,
  learn,
  newAccount,
  room,
} from './account.rules.ts';

/** What this replica has learned about the tenants' accounts, and how much it has under way with each. */
export class Accounts {
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #policy: AccountPolicy;
  readonly #metrics: Pick<DispatchMetrics, 'circuitOpen' | 'concurrencyLimit'>;
  readonly #accounts = new Map<string, Account>();
  readonly #claimed = new Tally();
  readonly #calling = new Tally();

  constructor(
    tenants: Pick<TenantDirectory, 'byName'>,
    policy: AccountPolicy,
    metrics: Pick<DispatchMetrics, 'circuitOpen' | 'concurrencyLimit'>,
  ) {
    this.#tenants = tenants;
    this.#policy = policy;
    this.#metrics = metrics;
  }

  claimed(tenant: string): void {
    this.#claimed.add(tenant, 1);
  }

  settled(tenant: string): void {
    this.#claimed.add(tenant, -1);
  }

  room(tenant: string, now: number): TenantRoom {
    const claimed = this.#claimed.of(tenant);
    return { claimed, room: room(this.#account(tenant), claimed, now, this.#tenants.byName(tenant)) };
  }

  admit(tenant: string, lane: Lane, now: number): ReturnType<typeof admit> {
    return admit(this.#account(tenant), this.#calling.of(tenant), lane, now, this.#tenants.byName(tenant));
  }

  began(tenant: string): void {
    this.#calling.add(tenant, 1);
  }

  ended(tenant: string): void {
    this.#calling.add(tenant, -1);
  }

  /** Learns from the answer to a call that began at `since`; tells when the circuit of the account opened or closed by it. */
  learn(tenant: string, outcome: SendOutcome, since: number, now: number): 'opened' | 'closed' | undefined {
    const before = this.#account(tenant);
    const after = learn(before, outcome, since, now, this.#tenants.byName(tenant), this.#policy);
    if (after === before) return undefined;
    this.#accounts.set(tenant, after);
    this.#metrics.concurrencyLimit.set({ tenant }, Math.floor(after.concurrency));
    this.#metrics.circuitOpen.set({ tenant }, after.circuit ? 1 : 0);
    if ((before.circuit === null) === (after.circuit === null)) return undefined;
    return after.circuit ? 'opened' : 'closed';
  }

  /** For how long the account is held, and whether it is because of its credentials. */
  hold(tenant: string, now: number): { forMs: number; credentials: boolean } {
    const account = this.#account(tenant);
    return { forMs: Math.max(0, account.pausedUntil - now), credentials: account.circuit !== null };
  }

  /** Why nothing of the tenant is sent; null when it is not held. */
  holdOf(tenant: string, now: number): AccountHold | null {
    return holdOf(this.#account(tenant), now);
  }

  /** When the first of the accounts that are held may go on. */
  heldUntil(now: number): number {
    return Math.min(Infinity, ...[...this.#accounts.values()].map((account) => heldUntil(account, now)));
  }

  #account(tenant: string): Account {
    return this.#accounts.get(tenant) ?? newAccount(this.#policy);
  }
}

class Tally {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, by: number): void {
    const count = this.of(name) + by;
    if (count === 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }
}
