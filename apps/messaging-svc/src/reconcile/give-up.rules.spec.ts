import { describe, expect, it } from '@jest/globals';
import { after, attempt, message, now } from '../../test/builders.ts';
import { giveUp } from './give-up.rules.ts';

const later = after(600_000);
const at = later.toISOString();

describe('giveUp', () => {
  it.each(['resend', 'failed'] as const)('as %s closes the attempt without knowing, and tells who decided', (as) => {
    const given = giveUp(message(), attempt({ state: 'in_doubt' }), { as, by: 'ops' }, later);
    expect(given.attempt).toMatchObject({ state: 'given_up', finishedAt: at, providerSid: null });
    expect(given.step.remarks).toEqual([{ at, kind: 'settled', detail: { attempt: 1, as, by: 'ops' } }]);
  });

  it('as resend makes the message due, without a move', () => {
    const { step } = giveUp(message(), attempt(), { as: 'resend', by: 'ops' }, later);
    expect(step.message).toMatchObject({ state: 'submitting', dueAt: at });
    expect(step.changes).toEqual([]);
  });

  it('as resend does not send past the expiry', () => {
    const { step } = giveUp(message({ expiresAt: now.toISOString() }), attempt(), { as: 'resend', by: 'ops' }, later);
    expect(step.message).toMatchObject({ state: 'expired', dueAt: null });
  });

  it('as failed ends the message, and calls for its fallback', () => {
    const { step } = giveUp(
      message({ fallback: [{ channel: 'voice' }] }),
      attempt(),
      { as: 'failed', by: 'ops' },
      later,
    );
    expect(step.message).toMatchObject({ state: 'failed', error: { code: 'in_doubt' }, dueAt: null, fallbackAt: at });
    expect(step.changes).toHaveLength(1);
  });
});
