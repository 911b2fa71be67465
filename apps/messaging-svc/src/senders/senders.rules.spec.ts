import { describe, expect, it } from '@jest/globals';
import type { SenderRecord, Tenant } from '@signalbox/tenants';
import { message, tenant } from '../../test/builders.ts';
import { senderFault } from './senders.rules.ts';

const service = 'MG00000000000000000000000000000001';
const longCode = '+14155550100';
const tollFree = '+18885550100';

describe('senderFault', () => {
  it.each<[string, string, string, SenderRecord['registration'], string | undefined]>([
    ['a registered number to the US', longCode, '+14155550199', 'registered', undefined],
    ['a number of which nothing is known', longCode, '+14155550199', undefined, undefined],
    ['a number that needs no registration', longCode, '+14155550199', 'not_required', undefined],
    ['an unregistered number to the US', longCode, '+14155550199', 'unregistered', 'sender_unregistered'],
    ['a pending number to the US', longCode, '+14155550199', 'pending', 'sender_unregistered'],
    ['an unregistered number to Germany', longCode, '+4915123456789', 'unregistered', undefined],
    ['an unregistered number to Canada', longCode, '+16135550123', 'unregistered', undefined],
    ['an unregistered service to the US', service, '+14155550199', 'unregistered', 'sender_unregistered'],
    ['a pending toll-free number to the US', tollFree, '+14155550199', 'pending', 'sender_unverified'],
    ['a pending toll-free number to Canada', tollFree, '+16135550123', 'pending', 'sender_unverified'],
    ['a pending toll-free number to Jamaica', tollFree, '+18765550123', 'pending', undefined],
    ['an unregistered short code, which is no matter of 10DLC', '55501', '+14155550199', 'unregistered', undefined],
  ])('%s', (_label, address, to, registration, code) => {
    const type =
      address === tollFree
        ? 'toll_free'
        : address === service
          ? 'messaging_service'
          : address === longCode
            ? 'long_code'
            : 'short_code';
    const of: Tenant = { ...tenant, senderRecords: { [address]: { type, registration } } };
    const sent = message({
      to,
      from: address === service ? null : address,
      messagingServiceSid: address === service ? service : null,
    });
    expect(senderFault(sent, of)?.code).toBe(code);
  });

  it('leaves WhatsApp alone', () => {
    const of: Tenant = {
      ...tenant,
      senderRecords: { [service]: { type: 'messaging_service', registration: 'pending' } },
    };
    expect(senderFault(message({ channel: 'whatsapp', to: 'whatsapp:+14155550199' }), of)).toBeUndefined();
  });
});
