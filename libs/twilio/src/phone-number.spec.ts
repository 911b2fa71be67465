import { describe, expect, it } from '@jest/globals';
import { callingCodeOf, toE164 } from './phone-number.ts';

describe('toE164', () => {
  it.each([
    ['+14155550199', 'sms', '+14155550199'],
    [' +1 (415) 555-0199 ', 'sms', '+14155550199'],
    ['+15005550006', 'sms', '+15005550006'],
    ['+15005550001', 'sms', '+15005550001'],
    ['+442079460123', 'voice', '+442079460123'],
    ['+49 30 23125 000', 'mms', '+493023125000'],
    ['whatsapp:+14155550199', 'whatsapp', 'whatsapp:+14155550199'],
    ['+14155550199', 'whatsapp', 'whatsapp:+14155550199'],
  ] as const)('%s by %s is %s', (raw, channel, e164) => {
    expect(toE164(raw, channel)).toEqual({ ok: true, e164 });
  });

  it.each([
    ['', 'sms', 'not_international'],
    ['4155550199', 'sms', 'not_international'],
    ['004915123456789', 'sms', 'not_international'],
    ['+1800FLOWERS', 'sms', 'not_international'],
    ['+14155550199 ext. 5', 'sms', 'not_international'],
    ['someone@example.com', 'sms', 'not_international'],
    ['+1415', 'sms', 'impossible'],
    ['+141555501991234567', 'sms', 'impossible'],
    ['+0123456789', 'sms', 'impossible'],
    ['whatsapp:+14155550199', 'sms', 'wrong_channel'],
    ['whatsapp:US.1234', 'whatsapp', 'not_international'],
  ] as const)('%s by %s: %s', (raw, channel, reason) => {
    expect(toE164(raw, channel)).toEqual({ ok: false, reason });
  });
});

describe('callingCodeOf', () => {
  it.each([
    ['+14155550199', '1'],
    ['+994501201234', '994'],
    ['+77011234567', '7'],
    ['+999123456789', undefined],
    ['someone@example.com', undefined],
  ])('of %s is %s', (number, code) => expect(callingCodeOf(number)).toBe(code));
});
