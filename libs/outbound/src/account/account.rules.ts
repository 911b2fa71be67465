import type { Lane } from '@signalbox/contracts';
import type { SendOutcome } from '../dispatch/outcome.ts';

/**
 * How one replica treats one tenant's account: how many calls at once (additive increase, multiplicative decrease on
 * 429), a pause the provider asked for, and a circuit that opens when it refuses our credentials. Each replica learns by
 * itself; what they share are the quotas.
 */
export interface Account {
  /** Calls at once; grows by fractions. */
  readonly concurrency: number;
  /** A 429 to a call that began before this says nothing new. */
  readonly loweredAt: number;
  readonly pausedUntil: number;
  readonly circuit: Circuit | null;
}

export interface Circuit {
  /** When the first of its refusals came. */
  readonly since: number;
  /** An answer to a call that began before this does not close it. */
  readonly openedAt: number;
  /** From then on one call may try whether the credentials are mended. */
  readonly probeAt: number;
  /** The tenant as it was when they failed. */
  readonly tenant: unknown;
}

export interface AccountPolicy {
  readonly maxConcurrency: number;
  /** Between two tries with credentials that failed. */
  readonly probeMs: number;
}

/** What may be claimed for each call at once: a claim and a settlement cost much the same however many they are for. */
export const aheadOfCalls = 8;

export function newAccount(policy: AccountPolicy): Account {
  return { concurrency: policy.maxConcurrency, loweredAt: 0, pausedUntil: 0, circuit: null };
}

/** What an answer to a call that began at `since` teaches about the account. */
export function learn(
  account: Account,
  outcome: SendOutcome,
  since: number,
  now: number,
  tenant: unknown,
  policy: AccountPolicy,
): Account {
  if (outcome.kind === 'deferred' && outcome.credentials) {
    return {
      ...account,
      circuit: { since: account.circuit?.since ?? now, openedAt: now, probeAt: now + policy.probeMs, tenant },
    };
  }
  if (outcome.kind === 'deferred' && outcome.httpStatus === 429) {
    const pausedUntil = Math.max(account.pausedUntil, now + (outcome.retryAfterMs ?? 0));
    if (since < account.loweredAt) return { ...account, pausedUntil };
    return { ...account, pausedUntil, loweredAt: now, concurrency: Math.max(1, Math.floor(account.concurrency / 2)) };
  }
  // No answer, or one of a broken provider, teaches nothing.
  if (outcome.httpStatus === null || outcome.httpStatus >= 500) return account;
  const concurrency = Math.min(policy.maxConcurrency, account.concurrency + 1 / account.concurrency);
  const circuit = account.circuit && since < account.circuit.openedAt ? account.circuit : null;
  if (concurrency === account.concurrency && circuit === account.circuit) return account;
  return { ...account, concurrency, circuit };
}

/**
 * Whether a call may begin, with `calling` calls under way: the last eighth of the concurrency is for the critical lane.
 * `held`: not now and not soon, so what was claimed already is given back to the queue.
 */
export function admit(
  account: Account,
  calling: number,
  lane: Lane,
  now: number,
  tenant: unknown,
): 'go' | 'wait' | 'held' {
  if (account.circuit !== null) return probes(account.circuit, now, tenant) && calling === 0 ? 'go' : 'held';
  if (now < account.pausedUntil) return 'held';
  const places = Math.floor(account.concurrency);
  return calling < (lane === 'critical' ? places : withoutReserve(places)) ? 'go' : 'wait';
}

/** How much more of the account may be claimed, beside what is claimed: those called, those to follow and those being saved. */
export function room(account: Account, claimed: number, now: number, tenant: unknown): number {
  if (account.circuit !== null) return probes(account.circuit, now, tenant) && claimed === 0 ? 1 : 0;
  if (now < account.pausedUntil) return 0;
  return Math.max(0, aheadOfCalls * Math.floor(account.concurrency) - claimed);
}

/** Time for a probe, or new credentials to try at once. */
function probes(circuit: Circuit, now: number, tenant: unknown): boolean {
  return now >= circuit.probeAt || tenant !== circuit.tenant;
}

/** Places that other lanes than `critical` may fill. */
export function withoutReserve(places: number): number {
  return Math.max(1, places - Math.ceil(places / 8));
}

/** When an account that is held may go on by the passing of time; Infinity when it is not held. */
export function heldUntil(account: Account, now: number): number {
  const at = account.circuit?.probeAt ?? account.pausedUntil;
  return at > now ? at : Infinity;
}

/** Why nothing of an account is sent, for whoever asks; null when it is not held. */
export type AccountHold =
  | { readonly why: 'credentials'; readonly sinceMs: number; readonly untilMs: number }
  | { readonly why: 'paused'; readonly untilMs: number };

export function holdOf(account: Account, now: number): AccountHold | null {
  const { circuit, pausedUntil } = account;
  if (circuit) return { why: 'credentials', sinceMs: circuit.since, untilMs: Math.max(now, circuit.probeAt) };
  return pausedUntil > now ? { why: 'paused', untilMs: pausedUntil } : null;
}
