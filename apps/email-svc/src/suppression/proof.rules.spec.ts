import { describe, expect, it } from '@jest/globals';
import { examples, type SendgridEmailEvent } from '@signalbox/contracts';
import { provedByEvent } from './proof.rules.ts';

const told = (status: string, params: SendgridEmailEvent['params'] = {}, changes: Partial<SendgridEmailEvent> = {}) =>
  provedByEvent({
    data: { ...examples['sendgrid.email.event.v1'], status, params, email: 'A@Example.com', ...changes },
    emailId: null,
  });

describe('what an event proves', () => {
  it.each([
    ['bounce', { type: 'bounce', status: '5.1.1' }, '*', 'opted_out', 'bounce'],
    ['spamreport', {}, '*', 'opted_out', 'spam_report'],
    ['unsubscribe', {}, '*', 'opted_out', 'unsubscribe'],
    ['group_unsubscribe', { asm_group_id: 7 }, 'group:7', 'opted_out', 'unsubscribe'],
    ['group_resubscribe', { asm_group_id: 7 }, 'group:7', 'opted_in', 'unsubscribe'],
    ['dropped', { reason: 'Bounced Address' }, '*', 'opted_out', 'provider_refused'],
    ['dropped', { reason: 'Unsubscribed Address', asm_group_id: 7 }, 'group:7', 'opted_out', 'provider_refused'],
    ['dropped', { reason: 'Spam Reporting Address', asm_group_id: 7 }, '*', 'opted_out', 'provider_refused'],
  ])('%s %j: %s %s by %s', (status, params, scope, state, reason) => {
    expect(told(status, params)).toMatchObject({
      tenant: 'demo',
      recipient: 'a@example.com',
      scope,
      state,
      reason,
      at: '2026-11-24T18:00:00.000Z',
      bySendgrid: true,
    });
  });

  it.each([
    ['bounce', { type: 'blocked', status: '5.7.1' }],
    ['bounce', { type: 'bounce', status: '4.2.2' }],
    ['dropped', { reason: 'Spam Content' }],
    ['group_unsubscribe', {}],
    ['delivered', {}],
    ['open', {}],
  ])('%s %j proves nothing', (status, params) => expect(told(status, params)).toBeUndefined());

  it('is nothing of nobody', () => expect(told('spamreport', {}, { email: '' })).toBeUndefined());
});
