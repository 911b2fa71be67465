import { describe, expect, it } from '@jest/globals';
import { type DeliveryCase, planDelivery, readsMessages, senderFor } from './delivery-plan.rules.ts';

const sms: DeliveryCase = {
  channel: 'sms',
  viaService: false,
  outcome: 'delivered',
  errorCode: null,
  validityMs: 36_000_000,
  reads: true,
};
const plan = (message: DeliveryCase, delay = 10) =>
  planDelivery(message, () => delay).map(({ status, errorCode }) => (errorCode ? `${status} ${errorCode}` : status));

describe('planDelivery', () => {
  it.each<[string, Partial<DeliveryCase>, string[]]>([
    ['an SMS from a number', {}, ['sent', 'delivered']],
    ['an SMS through a service', { viaService: true }, ['queued', 'sent', 'delivered']],
    ['an unreachable handset', { outcome: 'undelivered', errorCode: 30003 }, ['sent', 'undelivered 30003']],
    ['a full queue', { viaService: true, outcome: 'failed', errorCode: 30001 }, ['queued', 'failed 30001']],
    ['WhatsApp, read', { channel: 'whatsapp' }, ['sent', 'delivered', 'read']],
    ['WhatsApp, not read', { channel: 'whatsapp', reads: false }, ['sent', 'delivered']],
  ])('%s', (_label, message, statuses) => {
    expect(plan({ ...sms, ...message })).toEqual(statuses);
  });

  it('fails a message that would be sent after its validity, at that very time', () => {
    const steps = planDelivery({ ...sms, viaService: true, validityMs: 1_500 }, () => 1_000);
    expect(steps).toEqual([
      { status: 'queued', afterMs: 1_000, errorCode: null },
      { status: 'failed', afterMs: 500, errorCode: 30036 },
    ]);
  });

  it('lets validity end with the sending: a slow delivery is not late', () => {
    expect(plan({ ...sms, validityMs: 1_000 }, 1_000)).toEqual(['sent', 'delivered']);
  });
});

describe('senderFor', () => {
  const pool = ['+14155550101', '+14155550102', '+14155550103'];
  const recipients = Array.from({ length: 300 }, (_, index) => `+1415600${String(index).padStart(4, '0')}`);

  it('sticks to one sender per recipient and uses the whole pool', () => {
    for (const to of recipients) expect(senderFor(to, pool)).toBe(senderFor(to, pool));
    expect(new Set(recipients.map((to) => senderFor(to, pool)))).toEqual(new Set(pool));
  });

  it('has none in an empty pool', () => {
    expect(senderFor('+14155550199', [])).toBeUndefined();
  });
});

it('whoever has an even number reads', () => {
  expect(readsMessages('whatsapp:+14155550198')).toBe(true);
  expect(readsMessages('whatsapp:+14155550199')).toBe(false);
});
