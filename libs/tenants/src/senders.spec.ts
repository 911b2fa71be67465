import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { quietHours } from './quiet-hours.ts';
import { readSenders, senderFields, senderRecord } from './senders.ts';

const service = 'MG00000000000000000000000000000001';
const read = (written: object) => readSenders(z.strictObject(senderFields).parse(written));

describe('senders of a tenant', () => {
  it('are addresses, whether written alone or with what is known of them', () => {
    const tenant = read({
      senders: [
        '+14155550100',
        { number: '+18885550100', registration: 'pending' },
        { number: '55501', type: 'short_code' },
      ],
      messagingServices: {
        default: service,
        marketing: { sid: service.replace(/1$/, '2'), registration: 'registered' },
      },
    });
    expect(tenant).toEqual({
      senders: ['+14155550100', '+18885550100', '55501'],
      messagingServices: { default: service, marketing: 'MG00000000000000000000000000000002' },
      senderRecords: {
        '+18885550100': { type: 'toll_free', registration: 'pending' },
        '55501': { type: 'short_code', registration: undefined },
        MG00000000000000000000000000000002: { type: 'messaging_service', registration: 'registered' },
      },
    });
  });

  it('have a rate where their throughput is written, unless the quotas say otherwise', () => {
    const senders = ['+14155550100', '+14155550101'].map((number) => ({ number, messagesPerSecond: 3 }));
    const { quotas } = readSenders({
      ...z
        .strictObject(senderFields)
        .parse({ senders, messagingServices: { default: { sid: service, messagesPerSecond: 20 } } }),
      quotas: { senders: { '+14155550101': { rate: 1 } }, prefixes: {} },
    });
    expect(quotas?.senders).toEqual({
      '+14155550100': { rate: 3 },
      '+14155550101': { rate: 1 },
      default: { rate: 20 },
    });
  });

  it.each([
    ['+14155550100', 'long_code'],
    ['+18005550100', 'toll_free'],
    ['+18555550100', 'toll_free'],
    ['+18225550100', 'long_code'],
    ['+448005550100', 'long_code'],
    ['55501', 'short_code'],
    ['Signalbox', 'alphanumeric'],
    ['whatsapp:+18005550100', 'whatsapp'],
    ['rcs:signalbox', 'rcs'],
    [service, 'messaging_service'],
  ])('%s is a %s', (address, type) => {
    expect(senderRecord({}, address)).toEqual({ type });
  });

  it.each([
    ['a number that is none', { senders: [{ number: 'no/number' }] }],
    ['a registration nobody knows', { senders: [{ number: '55501', registration: 'maybe' }] }],
    ['a service without a SID', { messagingServices: { default: { registration: 'registered' } } }],
  ])('refuse %s', (_label, written) => {
    expect(() => read(written)).toThrow();
  });
});

describe('quiet hours', () => {
  it('exempt the critical lane, and no country, unless told', () => {
    expect(quietHours.parse({ from: '21:00', to: '08:00' })).toEqual({
      from: '21:00',
      to: '08:00',
      exemptLanes: ['critical'],
      countries: {},
    });
  });

  it.each([
    ['24:00', { from: '24:00', to: '08:00' }],
    ['an hour without its zero', { from: '21:00', to: '8:00' }],
    ['a day without two free hours', { from: '12:00', to: '10:01' }],
    ['a span of no length', { from: '08:00', to: '08:00' }],
    ['the same for a country', { from: '21:00', to: '08:00', countries: { FR: { from: '08:00', to: '08:00' } } }],
    ['a country by name', { from: '21:00', to: '08:00', countries: { France: 'none' } }],
  ])('refuse %s', (_label, written) => {
    expect(() => quietHours.parse(written)).toThrow();
  });
});
