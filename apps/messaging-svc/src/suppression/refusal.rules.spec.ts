import { describe, expect, it } from '@jest/globals';
import { after, attempt, message, now } from '../../test/builders.ts';
import type { SendOutcome } from '@signalbox/outbound';
import { poolOf, provedByCallback, provedBySend } from './refusal.rules.ts';

const refused = (code: number): SendOutcome => ({
  kind: 'refused',
  error: { code, class: 'compliance', title: '', remedy: '' },
  httpStatus: 400,
});

describe('what a send proves', () => {
  it('21610: the recipient has opted out of the service, or of the sender', () => {
    const proved = provedBySend(message(), attempt(), refused(21610), after(100));
    expect(proved).toEqual({
      tenant: 'demo',
      recipient: '+14155550199',
      channel: 'sms',
      scope: 'MG00000000000000000000000000000001',
      state: 'opted_out',
      reason: 'provider_refused',
      source: message().id,
      at: after(100).toISOString(),
      provedAt: now.toISOString(),
    });
    const plain = message({ from: '+14155550100', messagingServiceSid: null });
    expect(provedBySend(plain, attempt(), refused(21610), now)?.scope).toBe('+14155550100');
  });

  it('any other code, or success: nothing', () => {
    expect(provedBySend(message(), attempt(), refused(21211), now)).toBeUndefined();
    const accepted = { kind: 'accepted', sid: 'SM1', status: 'queued', httpStatus: 201 } as const;
    expect(provedBySend(message(), attempt(), accepted, now)).toBeUndefined();
  });
});

function callback(errorCode: number | null, params: Record<string, string>) {
  const data = {
    accountSid: 'AC00000000000000000000000000000001',
    tenant: 'demo',
    resourceSid: 'SM1',
    correlationId: null,
    status: 'undelivered',
    providerTime: null,
    receivedAt: after(1000).toISOString(),
    errorCode,
    params,
  };
  return { id: '1', source: 's', type: 'twilio.message.status.v1', time: data.receivedAt, data } as const;
}

describe('what a status callback proves', () => {
  const to = { To: '+14155550199' };
  const long = { ...to, From: '+14155550100' };
  const tollFree = { ...to, From: '+18885550100' };
  it.each([
    ['21610 from a number', callback(21610, long), '+14155550100'],
    ['21610 from a service', callback(21610, { ...long, MessagingServiceSid: 'MG1' }), 'MG1'],
    ['30004 from a toll-free number', callback(30004, tollFree), '+18885550100'],
    ['30004 from a toll-free number of a service', callback(30004, { ...tollFree, MessagingServiceSid: 'MG1' }), 'MG1'],
    ['30004 from a long code', callback(30004, long), undefined],
    ['30003', callback(30003, long), undefined],
    ['no code', callback(null, long), undefined],
    ['21610 without an address', callback(21610, {}), undefined],
  ])('%s', (_label, event, scope) => {
    expect(provedByCallback(event, undefined)?.scope).toBe(scope);
  });

  it('takes from the message what the callback leaves out', () => {
    expect(provedByCallback(callback(21610, {}), message())).toMatchObject({
      recipient: '+14155550199',
      scope: 'MG00000000000000000000000000000001',
      provedAt: message().createdAt,
      source: 'SM1',
    });
  });
});

it('learns the service of a sender when the callback names both', () => {
  const both = callback(null, { From: '+14155550100', MessagingServiceSid: 'MG1' });
  expect(poolOf(both)).toEqual({ tenant: 'demo', sender: '+14155550100', messagingServiceSid: 'MG1' });
  expect(poolOf(callback(null, { From: '+14155550100' }))).toBeUndefined();
  expect(poolOf(callback(null, { MessagingServiceSid: 'MG1' }))).toBeUndefined();
});
