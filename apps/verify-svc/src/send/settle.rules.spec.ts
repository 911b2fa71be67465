import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeFailure } from '@signalbox/twilio';
import { attempt, attemptSid, later, now, providerSid, settleContext, verification } from '../../test/builders.ts';
import { unchanged, type Verification } from '../verification/verification.ts';
import type { SendOutcome } from './attempt.ts';
import { settle, type SettleContext } from './settle.rules.ts';

const accepted: SendOutcome = { kind: 'accepted', sid: providerSid, attemptSid, createdAt: null, httpStatus: 201 };
const refused = (code: number, more: { final?: boolean; retryAfterMs?: number } = {}): SendOutcome => ({
  kind: 'refused',
  error: describeFailure(code),
  httpStatus: 400,
  final: more.final ?? false,
  retryAfterMs: more.retryAfterMs ?? null,
});
const notTaken: SendOutcome = { kind: 'not_taken' };
const putOff: SendOutcome = { kind: 'put_off', error: describeFailure(20429), httpStatus: 429, retryAfterMs: 3_000 };

const after = (outcome: SendOutcome, given: Partial<Verification> = {}, context: Partial<SettleContext> = {}) =>
  settle(unchanged(verification(given)), attempt(), outcome, settleContext(context));

describe('what an attempt has come to', () => {
  it('makes it pending when Twilio took it', () => {
    const { step, attempt: closed, learned } = after(accepted);
    expect(step.verification).toMatchObject({
      state: 'pending',
      providerSid,
      lastSentAt: now.toISOString(),
      error: null,
    });
    expect(closed).toMatchObject({ state: 'accepted', providerSid, attemptSid });
    expect(learned).toMatchObject([{ kind: 'sent' }]);
  });

  it('lets it end with the code that the recipient had already', () => {
    const old = { ...accepted, createdAt: later(-200_000).toISOString() };
    expect(after(old).step.verification.expiresAt).toBe(later(400_000).toISOString());
    // Twilio's times are of whole seconds.
    const fresh = { ...accepted, createdAt: later(-900).toISOString() };
    expect(after(fresh).step.verification.expiresAt).toBe(later(600_000).toISOString());
  });

  it('looks again when the channel is silent, where the tenant wants that and there is another', () => {
    expect(after(accepted, {}, { silenceMs: 60_000 }).step.verification.dueAt).toBe(later(60_000).toISOString());
    expect(after(accepted, { position: 1 }, { silenceMs: 60_000 }).step.verification.dueAt).toBe(
      later(600_000).toISOString(),
    );
    expect(after(accepted).step.verification.dueAt).toBe(later(600_000).toISOString());
  });

  it('goes on to the next channel at once when it was refused', () => {
    const { step, attempt: closed, next } = after(refused(60205));
    expect(closed).toMatchObject({ state: 'refused', error: { code: 60205 } });
    expect(next).toMatchObject({ number: 2, channel: 'call', why: 'refused', state: 'calling' });
    expect(step.verification).toMatchObject({ state: 'accepted', position: 1, attempts: 2 });
  });

  it.each([
    ['no channel is left', refused(60205), { position: 1 }, {}],
    ['no channel would help', refused(60204, { final: true }), {}, {}],
    ["the caller's code is gone", refused(60205), {}, { hasCode: false }],
    [
      "the caller's code would have to be kept",
      putOff,
      { request: { ...verification().request, code: 'callers' as const } },
      {},
    ],
    ['the time is up before the next try', putOff, { expiresAt: later(2_000).toISOString() }, {}],
  ])('fails when %s', (_label, outcome, given, context) => {
    const { step, next } = after(outcome, given, context);
    expect(next).toBeNull();
    expect(step.verification).toMatchObject({ state: 'failed', dueAt: null });
    expect(step.verification.error).not.toBeNull();
  });

  it('looks sent when Twilio blocks it for fraud', () => {
    const { step } = after(refused(60410), { position: 1 });
    expect(step.verification).toMatchObject({ state: 'pending', refused: 'provider_60410', error: null });
  });

  it('waits for the code that is under way when a later one cannot be sent', () => {
    const { step } = after(refused(60205), { state: 'pending', providerSid, position: 1 });
    expect(step.changes).toEqual([]);
    expect(step.verification).toMatchObject({ state: 'pending', error: { code: 60205 }, wants: null });
  });

  it.each([
    ['it was put off', putOff, later(3_200), 'put_off'],
    ['every channel is too fast', refused(60212, { retryAfterMs: 1_000 }), later(1_200), 'put_off'],
    ['Twilio has none', notTaken, later(200), 'not_taken'],
  ])('is tried again when %s', (_label, outcome, dueAt, wants) => {
    const { step, next } = after(outcome, { position: 1, plan: verification().plan });
    expect(next).toBeNull();
    expect(step.verification).toMatchObject({ state: 'accepted', wants, dueAt: dueAt.toISOString() });
  });

  it('is left alone while it is in doubt', () => {
    const doubt: SendOutcome = { kind: 'in_doubt', error: describeFailure(null, 500), httpStatus: 500 };
    const { step, attempt: open } = after(doubt);
    expect(step.verification).toEqual(verification());
    expect(open).toMatchObject({ state: 'in_doubt', finishedAt: null, leaseUntil: later(2_200).toISOString() });
  });

  it('does not send again what the user has asked for again meanwhile', () => {
    const { step } = after({ kind: 'not_taken' }, { attempts: 2 });
    expect(step.verification.wants).toBeNull();
  });

  it('tells Twilio when it was canceled while the call was under way', () => {
    expect(after(accepted, { state: 'canceled' }).step.verification).toMatchObject({
      state: 'canceled',
      toTell: 'canceled',
      dueAt: later(200).toISOString(),
    });
  });

  it('does not end at Twilio what a later one has taken over', () => {
    const error = { code: 'superseded', class: 'terminal', title: '', remedy: '' } as const;
    expect(after(accepted, { state: 'canceled', error }).step.verification).toMatchObject({
      toTell: null,
      providerSid,
    });
  });

  it('is settled once, whatever is said of it later', () => {
    const outcome = fc.constantFrom<SendOutcome>(accepted, refused(60205), putOff, { kind: 'not_taken' });
    fc.assert(
      fc.property(outcome, outcome, (first, second) => {
        const once = after(first);
        const twice = settle(once.step, once.attempt, second, settleContext());
        expect(twice).toEqual({ step: once.step, attempt: once.attempt, next: null, learned: [] });
      }),
    );
  });
});
