import { describe, expect, it } from '@jest/globals';
import { type Account, admit, heldUntil, holdOf, learn, newAccount, room } from './account.rules.ts';
import type { SendOutcome } from '../dispatch/outcome.ts';

const policy = { maxConcurrency: 64, probeMs: 30_000 };
const error = { code: 20429, class: 'rate', title: 'Too many requests', remedy: 'Slow down' } as const;
const accepted: SendOutcome = { kind: 'accepted', sid: 'SM1', status: 'queued', httpStatus: 201 };
const busy = (retryAfterMs: number | null = null): SendOutcome => ({
  kind: 'deferred',
  error,
  httpStatus: 429,
  retryAfterMs,
});
const refused: SendOutcome = { kind: 'deferred', error, httpStatus: 401, retryAfterMs: null, credentials: true };
const broken: SendOutcome = { kind: 'in_doubt', error, httpStatus: 503 };
const tenant = {};

const taught = (account: Account, outcome: SendOutcome, since: number, now: number) =>
  learn(account, outcome, since, now, tenant, policy);

describe('the concurrency of an account', () => {
  it('is halved by a 429, once for all calls that were under way', () => {
    let account = taught(newAccount(policy), busy(), 0, 100);
    expect(account.concurrency).toBe(32);
    for (let call = 0; call < 30; call++) account = taught(account, busy(), 50, 101);
    expect(account.concurrency).toBe(32);
    expect(taught(account, busy(), 150, 200).concurrency).toBe(16);
  });

  it('never falls below one', () => {
    let account = newAccount(policy);
    for (let time = 1; time < 20; time++) account = taught(account, busy(), time, time);
    expect(account.concurrency).toBe(1);
  });

  it('grows by one for each round of calls, up to the limit', () => {
    let account: Account = { ...newAccount(policy), concurrency: 10 };
    for (let call = 0; call < 10; call++) account = taught(account, accepted, 0, 1);
    expect(account.concurrency).toBeGreaterThan(10.9);
    expect(account.concurrency).toBeLessThanOrEqual(11);
    for (let call = 0; call < 5_000; call++) account = taught(account, accepted, 0, 1);
    expect(account.concurrency).toBe(64);
  });

  it('learns nothing from a provider that is broken', () => {
    const account = { ...newAccount(policy), concurrency: 4 };
    expect(taught(account, broken, 0, 1)).toBe(account);
  });

  it('keeps an eighth for the critical lane', () => {
    const account = newAccount(policy);
    expect(admit(account, 56, 'bulk', 0, tenant)).toBe('wait');
    expect(admit(account, 56, 'critical', 0, tenant)).toBe('go');
    expect(admit(account, 64, 'critical', 0, tenant)).toBe('wait');
    expect(room(account, 100, 0, tenant)).toBe(412);
  });
});

describe('Retry-After', () => {
  it('holds the whole account for as long', () => {
    const account = taught(newAccount(policy), busy(2_000), 0, 1_000);
    expect([admit(account, 0, 'critical', 2_999, tenant), room(account, 0, 2_999, tenant)]).toEqual(['held', 0]);
    expect(heldUntil(account, 2_999)).toBe(3_000);
    expect([admit(account, 0, 'bulk', 3_000, tenant), room(account, 0, 3_000, tenant)]).toEqual(['go', 256]);
    expect(heldUntil(account, 3_000)).toBe(Infinity);
  });
});

describe('the circuit of an account', () => {
  const open = taught(newAccount(policy), refused, 900, 1_000);

  it('opens when the credentials are refused, and holds everything but one probe after a while', () => {
    expect([admit(open, 0, 'critical', 1_001, tenant), room(open, 0, 1_001, tenant)]).toEqual(['held', 0]);
    expect(heldUntil(open, 1_001)).toBe(31_000);
    expect([admit(open, 0, 'bulk', 31_000, tenant), room(open, 0, 31_000, tenant)]).toEqual(['go', 1]);
    expect([admit(open, 1, 'bulk', 31_000, tenant), room(open, 1, 31_000, tenant)]).toEqual(['held', 0]);
  });

  it('tells since when and until when, however many probes were refused', () => {
    const still = taught(open, refused, 31_000, 31_100);
    expect(holdOf(still, 40_000)).toEqual({ why: 'credentials', sinceMs: 1_000, untilMs: 61_100 });
    expect(holdOf(taught(still, accepted, 61_100, 61_200), 61_200)).toBeNull();
  });

  it('probes at once when the tenant file has changed', () => {
    expect([admit(open, 0, 'bulk', 1_001, {}), room(open, 0, 1_001, {})]).toEqual(['go', 1]);
  });

  it('stays open when the probe is refused, closes when it is answered otherwise', () => {
    expect(taught(open, refused, 31_000, 31_100).circuit?.probeAt).toBe(61_100);
    expect(taught(open, accepted, 31_000, 31_100).circuit).toBeNull();
  });

  it('is not closed by the late answer to an earlier call, nor by a broken provider', () => {
    expect(taught(open, accepted, 950, 1_001).circuit).not.toBeNull();
    expect(taught(open, broken, 31_000, 31_100).circuit).not.toBeNull();
  });
});
