import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { command } from '../../test/builders.ts';
import { channelOf, contentFault, estimate } from './content.rules.ts';
import { isAbove, priceOf, priceTable } from './price.rules.ts';

const prices = priceTable('USD', [
  { channel: 'sms', prefix: '+1', price: '0.0079' },
  { channel: 'sms', prefix: '+1876', price: '0.2' },
  { channel: 'mms', prefix: '+1', price: '0.02' },
  { channel: 'whatsapp', prefix: '+', price: '0.015' },
]);
const context = { prices, smartEncoding: false, allowPrivateMedia: false };
const us = '+14155550199';

describe('the estimate', () => {
  it.each([
    ['one segment', 'sms', us, { body: 'Hello' }, ['GSM-7', 1, '0.0079']],
    ['three segments', 'sms', us, { body: 'a'.repeat(400) }, ['GSM-7', 3, '0.0237']],
    ['the longest prefix', 'sms', '+18765550123', { body: 'Hello' }, ['GSM-7', 1, '0.2']],
    ['a destination without a price', 'sms', '+4915123456789', { body: 'Hello' }, ['GSM-7', 1, undefined]],
    ['media, however long the text', 'mms', us, { body: 'a'.repeat(400) }, [null, null, '0.02']],
    ['WhatsApp, by a prefix that fits all', 'whatsapp', 'whatsapp:+4915123456789', {}, [null, null, '0.015']],
    ['a template by SMS, whose text is not known', 'sms', us, { contentSid: 'HX1' }, [null, null, undefined]],
  ] as const)('%s', (_label, channel, to, changes, expected) => {
    const { encoding, segments, price } = estimate(channel, to, command(changes), context);
    expect([encoding, segments, price?.amount]).toEqual(expected);
  });

  it('counts what smart encoding makes of the text', () => {
    const curly = command({ body: '“'.repeat(100) });
    expect(estimate('sms', us, curly, context).segments).toBe(2);
    expect(estimate('sms', us, curly, { ...context, smartEncoding: true }).segments).toBe(1);
  });

  it('never computes in floats', () => {
    const micros = fc.integer({ min: 0, max: 999_999_999_999_999 });
    const decimal = (value: number) => `${Math.floor(value / 1e6)}.${String(value % 1e6).padStart(6, '0')}`;
    fc.assert(
      fc.property(micros, fc.integer({ min: 1, max: 30 }), (price, units) => {
        const table = priceTable('USD', [{ channel: 'sms', prefix: '+', price: decimal(price) }]);
        const amount = priceOf(table, 'sms', us, units)?.amount ?? '';
        const [whole = '', fraction = ''] = amount.split('.');
        expect(BigInt(whole + fraction.padEnd(6, '0'))).toBe(BigInt(price) * BigInt(units));
      }),
    );
  });

  it.each([
    ['0.0079', '0.0079', false],
    ['0.00791', '0.0079', true],
    ['10', '9.999999', true],
    ['0.5', '0.50', false],
  ])('%s above %s: %s', (amount, limit, expected) => {
    expect(isAbove(amount, limit)).toBe(expected);
  });
});

describe('what stands against the content', () => {
  const fault = (changes: Parameters<typeof command>[0], of = context) => {
    const request = command(changes);
    const channel = channelOf(request);
    return contentFault(channel, request, estimate(channel, us, request, of), of)?.code;
  };

  it.each([
    ['nothing', {}, undefined],
    ['as many segments as allowed', { body: 'a'.repeat(306), maxSegments: 2 }, undefined],
    ['a segment too many', { body: 'a'.repeat(307), maxSegments: 2 }, 'over_max_segments'],
    ['a limit on segments where there are none', { channel: 'whatsapp', maxSegments: 1 }, undefined],
    ['a template, whose segments nobody knows', { body: null, contentSid: 'HX1', maxSegments: 2 }, 'segments_unknown'],
    ['a price at the limit', { maxPrice: '0.0079' }, undefined],
    ['a price above it', { body: 'a'.repeat(161), maxPrice: '0.0157' }, 'over_max_price'],
    ['a public picture', { mediaUrls: ['https://example.com/a.png'] }, undefined],
    ['a picture without https', { mediaUrls: ['http://example.com/a.png'] }, 'media_not_reachable'],
  ] as const)('%s', (_label, changes, code) => {
    expect(fault({ ...changes, mediaUrls: 'mediaUrls' in changes ? [...changes.mediaUrls] : [] })).toBe(code);
  });

  it('is an unknown price when a limit is set', () => {
    expect(fault({ maxPrice: '1' }, { ...context, prices: priceTable('USD', []) })).toBe('price_unknown');
  });

  it.each([
    'https://localhost/a.png',
    'https://app.localhost/a.png',
    'https://printer.local/a.png',
    'https://intranet/a.png',
    'https://127.0.0.1/a.png',
    'https://2130706433/a.png',
    'https://0x7f.1/a.png',
    'https://10.1.2.3/a.png',
    'https://172.31.0.1/a.png',
    'https://192.168.1.1/a.png',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/a.png',
    'https://[fd00::1]/a.png',
    'https://[::ffff:10.0.0.1]/a.png',
  ])('is %s, unless configured to be allowed', (url) => {
    expect(fault({ mediaUrls: [url] })).toBe('media_not_reachable');
    expect(fault({ mediaUrls: [url] }, { ...context, allowPrivateMedia: true })).toBeUndefined();
  });

  it.each(['https://172.32.0.1/a.png', 'https://8.8.8.8/a.png', 'https://[2606:4700::1111]/a.png'])(
    'is not %s',
    (url) => expect(fault({ mediaUrls: [url] })).toBeUndefined(),
  );
});

describe('the channel', () => {
  const media = ['https://example.com/a.png'];
  it.each([
    ['text', 'sms', [], 'sms'],
    ['media on SMS make an MMS', 'sms', media, 'mms'],
    ['an MMS without media is an SMS', 'mms', [], 'sms'],
    ['media on WhatsApp stay there', 'whatsapp', media, 'whatsapp'],
  ] as const)('%s', (_label, channel, mediaUrls, expected) => {
    expect(channelOf(command({ channel, mediaUrls: [...mediaUrls] }))).toBe(expected);
  });
});
