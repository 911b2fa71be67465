import { describe, expect, it } from '@jest/globals';
import { later, now, providerSid, verification } from '../../test/builders.ts';
import { Budget } from '../limits/budget.rules.ts';
import type { Limit } from '../limits/window.rules.ts';
import type { Verification } from '../verification/verification.ts';
import { decideStart } from './start.rules.ts';

const limits: Limit[] = [{ scope: 'recipient', key: 'r', sends: 5, perMs: 3_600_000, coolDownMs: 60_000 }];
const draft = verification({
  id: '019a0000-0000-7000-8000-000000000002',
  idempotencyKey: 'login-43',
  sends: 0,
  attempts: 0,
});
const decide = (related: readonly Verification[], budget = new Budget(new Map(), now.getTime())) =>
  decideStart(draft, related, limits, budget);

describe('a start', () => {
  it('is opened when nothing is in its way', () => {
    expect(decide([])).toMatchObject({ result: 'open', superseded: [], nextSendAt: later(60_000).getTime() });
  });

  it('is what its key made before, and conflicts with another request under it', () => {
    const same = verification({ idempotencyKey: draft.idempotencyKey });
    expect(decide([same])).toEqual({ result: 'repeat', verification: same });
    expect(decide([{ ...same, requestDigest: 'another' }])).toMatchObject({ result: 'conflict' });
    // A limit that is used up does not turn a repeat away.
    const full = new Budget(new Map(), now.getTime());
    full.take(limits, 'user');
    expect(decide([same], full)).toMatchObject({ result: 'repeat' });
    expect(decide([], full)).toEqual({ result: 'limited', scope: 'recipient', retryAfterMs: 60_000 });
  });

  it('ends what the recipient has open, and takes over its checks, because Twilio has one verification for both', () => {
    const open = verification({ state: 'pending', providerSid, checks: 3, wrong: 2 });
    const decision = decide([open]);
    expect(decision).toMatchObject({
      result: 'open',
      verification: { checks: 3, wrong: 3 },
      superseded: [{ verification: { id: open.id, state: 'canceled', error: { code: 'superseded' } } }],
    });
  });

  it.each([
    ['of another service', { serviceSid: 'VA00000000000000000000000000000002' }],
    ['of another recipient', { recipientHash: 'another' }],
    ['whose time is over', { expiresAt: later(-1).toISOString() }],
  ])('leaves alone one %s', (_label, changes) => {
    expect(decide([verification({ state: 'pending', checks: 5, ...changes })])).toMatchObject({
      result: 'open',
      verification: { checks: 0 },
      superseded: [],
    });
  });

  it.each([
    ['was denied', { state: 'denied' as const }],
    ['has no check left', { state: 'pending' as const, checks: 5 }],
  ])('waits until the one that %s is over at Twilio', (_label, changes) => {
    const budget = new Budget(new Map(), now.getTime());
    expect(decide([verification(changes)], budget)).toEqual({
      result: 'limited',
      scope: 'checks',
      retryAfterMs: 600_000,
    });
    expect(budget.taken()).toEqual([]);
  });
});
