import { describe, expect, it } from '@jest/globals';
import { describeFailure } from '@signalbox/twilio';
import { now, providerSid, verification } from '../../test/builders.ts';
import { unchanged, type Verification } from '../verification/verification.ts';
import { type CheckOutcome, decideCheck } from './check.rules.ts';

/** One check was counted, and is now answered. */
const pending = verification({ state: 'pending', providerSid, checks: 1 });
const decide = (outcome: CheckOutcome, given: Partial<Verification> = {}) =>
  decideCheck(unchanged({ ...pending, ...given }), outcome, now);
const error = describeFailure(20404, 404);
const says = (status: string): CheckOutcome => ({ kind: 'checked', status, sid: providerSid });

describe('a check', () => {
  it('approves with the right code, and counts a wrong one', () => {
    expect(decide(says('approved'))).toMatchObject({
      result: 'approved',
      step: { verification: { state: 'approved' } },
    });
    expect(decide(says('pending'))).toMatchObject({
      result: 'wrong',
      step: { verification: { state: 'pending', wrong: 1 } },
    });
  });

  it('denies with the fifth wrong one', () => {
    const last = { checks: 5, wrong: 4 };
    for (const outcome of [
      says('pending'),
      says('max_attempts_reached'),
      { kind: 'compared', right: false } as const,
    ]) {
      expect(decide(outcome, last)).toMatchObject({
        result: 'wrong',
        step: { verification: { state: 'denied', wrong: 5 } },
      });
    }
  });

  it('waits for the others when five are under way: one may be right', () => {
    let step = unchanged({ ...pending, checks: 5 });
    for (let index = 0; index < 4; index++) step = decideCheck(step, says('pending'), now).step;
    expect(step.verification).toMatchObject({ state: 'pending', wrong: 4 });
    expect(decideCheck(step, says('approved'), now)).toMatchObject({ result: 'approved' });
  });

  it('approves what an event has approved already, once', () => {
    expect(decide(says('approved'), { state: 'approved' }).result).toBe('approved');
    expect(decide(says('approved'), { state: 'canceled' }).result).toBe('ended');
    expect(decide({ kind: 'compared', right: true }, { state: 'approved' }).result).toBe('ended');
  });

  it('tells Twilio of a code that was compared here', () => {
    expect(decide({ kind: 'compared', right: true }).step.verification).toMatchObject({
      toTell: 'approved',
      dueAt: now.toISOString(),
    });
    expect(decide({ kind: 'compared', right: true }, { providerSid: null }).step.verification.toTell).toBeNull();
  });

  it('expires what Twilio no longer has, but not while another answer may say why', () => {
    expect(decide({ kind: 'gone', error })).toMatchObject({
      result: 'ended',
      step: { verification: { state: 'expired' } },
    });
    const waiting = decide({ kind: 'gone', error }, { checks: 2 });
    expect(waiting).toMatchObject({ result: 'ended', step: { verification: { state: 'pending' } } });
    expect(waiting.step.verification.dueAt).toBe(new Date(now.getTime() + 10_000).toISOString());
    expect(decideCheck(waiting.step, says('approved'), now)).toMatchObject({ result: 'approved' });
  });

  it('has nothing to check before a code was sent, and gives the check back', () => {
    expect(decide({ kind: 'gone', error }, { state: 'accepted' })).toMatchObject({
      result: 'unsent',
      step: { verification: { state: 'accepted', checks: 0 } },
    });
  });

  it('gives back what was certainly not looked at, and counts what may have been', () => {
    expect(decide({ kind: 'not_seen', error, retryAfterMs: null })).toMatchObject({
      result: 'not_seen',
      step: { verification: { checks: 0, wrong: 0 } },
    });
    expect(decide({ kind: 'locked' })).toMatchObject({ result: 'locked', step: { verification: { checks: 0 } } });
    expect(decide({ kind: 'unknown', error })).toMatchObject({
      result: 'unknown',
      step: { verification: { checks: 1, wrong: 1 } },
    });
  });

  it('denies when Twilio lets none through any more', () => {
    expect(decide({ kind: 'exhausted', error })).toMatchObject({ step: { verification: { state: 'denied' } } });
  });
});
