import { describe, expect, it } from '@jest/globals';
import { newAttempt } from '@signalbox/outbound';
import { command, now, placing } from '../../test/builders.ts';
import type { Call } from '../call/call.ts';
import type { ListedCall } from '../dispatch/provider.ts';
import { giveUp } from './give-up.rules.ts';
import { isRepeatDue, judge, type Rival } from './reconcile.rules.ts';

const attemptOf = (call: Call) => newAttempt(call.id, call.attempt, 'worker', now, 30_000);
const listed = (changes: Partial<ListedCall> = {}): ListedCall => ({
  sid: 'CA00000000000000000000000000000001',
  to: '+14155550199',
  from: '+14155550100',
  status: 'ringing',
  createdAt: now,
  ...changes,
});
const judged = (list: ListedCall[], { claimed = [] as string[], rivals = [] as Rival[] } = {}) => {
  const call = placing();
  return judge(call, attemptOf(call), list, new Set(claimed), rivals);
};
const rival = (changes: Partial<Call> = {}): Rival => {
  const call = placing({ id: '019a0000-0000-7000-8000-000000000002', ...changes });
  return { call, attempt: attemptOf(call) };
};
const another = { request: command({ say: 'Something else' }) };

describe('what the list says of an attempt in doubt', () => {
  it('that has the call: it was taken, the oldest first', () => {
    const later = listed({ sid: 'CA2', createdAt: new Date(now.getTime() + 1_000) });
    expect(judged([later, listed()])).toEqual({ kind: 'taken', listed: listed() });
  });

  it.each([
    ['nothing', [], {}],
    ['a call to somebody else', [listed({ to: '+14155550198' })], {}],
    ['a call from another number', [listed({ from: '+14155550101' })], {}],
    ['an earlier call', [listed({ createdAt: new Date(now.getTime() - 6_000) })], {}],
    ['a call that is another attempt’s', [listed()], { claimed: ['CA00000000000000000000000000000001'] }],
  ])('that has %s: it was not', (_label, list, options) => {
    expect(judged(list, options)).toEqual({ kind: 'not_taken' });
  });

  it('that has what may be a rival’s with other words: nobody can tell', () => {
    expect(judged([listed()], { rivals: [rival(another)] })).toEqual({ kind: 'ambiguous' });
  });

  it('that has what may be a rival’s with the same words: it makes no difference', () => {
    expect(judged([listed()], { rivals: [rival()] }).kind).toBe('taken');
  });

  it('that has what cannot be the rival’s, which calls from another number', () => {
    expect(judged([listed()], { rivals: [rival({ ...another, from: '+14155550101' })] }).kind).toBe('taken');
  });
});

describe('what nobody can settle', () => {
  it('is placed again only when the tenant wants that, and after so long', () => {
    const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
    expect(isRepeatDue(undefined, now, after(1_000_000))).toBe(false);
    expect(isRepeatDue({ policy: 'hold' } as never, now, after(1_000_000))).toBe(false);
    const resend = { policy: 'resend', after: 'PT60S' } as const;
    expect([isRepeatDue(resend, now, after(59)), isRepeatDue(resend, now, after(60))]).toEqual([false, true]);
  });

  it('becomes due again, or fails, and the history tells who said so', () => {
    const call = placing();
    const attempt = attemptOf(call);
    const repeated = giveUp(call, attempt, { as: 'repeat', by: 'ops' }, now);
    expect(repeated).toMatchObject({
      step: {
        call: { state: 'submitting', dueAt: now.toISOString() },
        remarks: [{ detail: { as: 'repeat', by: 'ops' } }],
      },
      attempt: { state: 'given_up' },
    });
    expect(giveUp(call, attempt, { as: 'failed', by: 'ops' }, now).step.call).toMatchObject({
      state: 'failed',
      error: { code: 'in_doubt' },
    });
  });
});
