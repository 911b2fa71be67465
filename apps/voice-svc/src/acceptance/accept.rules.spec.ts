import { describe, expect, it } from '@jest/globals';
import { command, now, tenant } from '../../test/builders.ts';
import { accept } from './accept.rules.ts';

const id = '019a0000-0000-7000-8000-000000000001';
const decide = (changes: object, of = tenant) =>
  accept(command(changes), { id, now, tenant: of, digest: 'digest', hasFlow: true, traceparent: undefined }).call;

describe('a request', () => {
  it('is accepted and due at once, from the default number', () => {
    expect(decide({ to: '+1 (415) 555-0199' })).toMatchObject({
      state: 'accepted',
      sequence: 1,
      to: '+14155550199',
      from: '+14155550100',
      dueAt: now.toISOString(),
      traceparent: '00-019a000000007000800000000000 0001-8000000000000001-01'.replace(' ', ''),
    });
  });

  it.each(['sip:agent@example.com', 'client:ada'])('may go to %s', (to) => {
    expect(decide({ to })).toMatchObject({ state: 'accepted', to });
  });

  it.each([
    ['invalid_recipient', { to: '0199' }, tenant],
    ['invalid_recipient', { to: 'whatsapp:+14155550199' }, tenant],
    ['unknown_sender', { from: '+14155559999' }, tenant],
    ['no_sender', {}, { ...tenant, defaultSender: undefined }],
    ['say_too_long', { say: '<'.repeat(1_500) }, tenant],
  ])('is rejected: %s', (code, changes, of) => {
    const { defaultSender, ...rest } = of;
    const call = decide(changes, defaultSender === undefined ? rest : { ...rest, defaultSender });
    expect(call).toMatchObject({ state: 'rejected', dueAt: null, error: { code } });
  });

  it('for a flow that the tenant does not have is rejected', () => {
    const context = { id, now, tenant, digest: 'digest', hasFlow: false, traceparent: undefined };
    const { call } = accept(command({ say: null, flow: 'support' }), context);
    expect(call).toMatchObject({ state: 'rejected', error: { code: 'unknown_flow' } });
  });

  it('with a flow says nothing itself, so that may be of any length', () => {
    expect(decide({ say: null, flow: 'support' }).state).toBe('accepted');
  });
});
