import { describe, expect, it } from '@jest/globals';
import type { EmailState } from '@signalbox/contracts';
import { attempt, email, now } from '../../test/builders.ts';
import { cutoffsOf, end, isErased } from './retention.rules.ts';

it('counts calendar days back, from the periods of the tenant or the usual ones', () => {
  expect(cutoffsOf({ bodies: 'P1D', messages: 'P1M' }, now)).toEqual({
    bodies: new Date('2026-11-23T18:00:00Z'),
    messages: new Date('2026-10-24T18:00:00Z'),
  });
  expect(cutoffsOf(undefined, now).bodies).toEqual(new Date('2026-10-25T18:00:00Z'));
});

describe('the end of an email that nobody may send any more', () => {
  const dueAt = now.toISOString();

  it.each([
    ['scheduled', 'an erasure', 'canceled'],
    ['queued', 'an erasure', 'canceled'],
    ['submitting', 'an erasure', 'canceled'],
    ['scheduled', 'the retention of the tenant', 'expired'],
    ['submitting', 'the retention of the tenant', 'expired'],
  ] as const)('%s and due, by %s: %s', (state, by, ended) => {
    const { step, attempt: closed } = end(email({ state, dueAt }), undefined, by, now) ?? {};
    expect([step?.email.state, step?.email.dueAt, closed]).toEqual([ended, null, null]);
  });

  it('fails one in doubt, and says in whose name', () => {
    const open = { ...attempt(), state: 'in_doubt' as const };
    const ended = end(email({ state: 'submitting', attempt: 1 }), open, 'an erasure', now);
    expect(ended).toMatchObject({
      step: { email: { state: 'failed', error: { code: 'in_doubt' } }, remarks: [{ detail: { by: 'an erasure' } }] },
      attempt: { state: 'given_up' },
    });
  });

  it('waits for a call that is under way', () => {
    expect(end(email({ state: 'submitting', attempt: 1 }), attempt(), 'an erasure', now)).toBeUndefined();
  });

  it.each(['submitted', 'delivered', 'bounced', 'rejected', 'canceled'] as EmailState[])('leaves %s alone', (state) => {
    const one = email({ state });
    expect(end(one, undefined, 'an erasure', now)?.step.email).toBe(one);
  });
});

it('knows who was erased', () => {
  expect([isErased({ to: 'erased:019a' }), isErased({ to: 'erased@example.com' })]).toEqual([true, false]);
});
