import { describe, expect, it } from '@jest/globals';
import { toE164 } from '@signalbox/twilio';
import { tenant } from '../../test/builders.ts';
import { inertCell } from './csv-export.ts';
import { readRecipient, readScope } from './written.rules.ts';

describe('a recipient as people write it', () => {
  it.each([
    ['+1 (415) 555-0199', undefined, '+14155550199', 'sms'],
    [' 14155550199', undefined, '+14155550199', 'sms'],
    ['+14155550199', 'mms', '+14155550199', 'sms'],
    ['rcs:+14155550199', undefined, '+14155550199', 'sms'],
    ['+14155550199', 'whatsapp', 'whatsapp:+14155550199', 'whatsapp'],
    ['whatsapp:+14155550199', undefined, 'whatsapp:+14155550199', 'whatsapp'],
    ['whatsapp: 14155550199', undefined, 'whatsapp:+14155550199', 'whatsapp'],
    ['whatsapp:US.1234', undefined, 'whatsapp:US.1234', 'whatsapp'],
  ] as const)('%j on %s is %s', (written, channel, recipient, listed) => {
    expect(readRecipient(written, channel, toE164)).toEqual({ ok: true, value: { recipient, channel: listed } });
  });

  it.each([
    ['', undefined],
    ['4155550199', undefined],
    ['banana', undefined],
    ['+1', undefined],
    ['whatsapp:+14155550199', 'sms'],
  ] as const)('%j on %s is none', (written, channel) => {
    expect(readRecipient(written, channel, toE164).ok).toBe(false);
  });
});

describe('a scope', () => {
  it.each([
    ['*', '*'],
    ['default', 'MG00000000000000000000000000000001'],
    ['MG00000000000000000000000000000009', 'MG00000000000000000000000000000009'],
    ['+14155550177', '+14155550177'],
    ['whatsapp:+14155550177', 'whatsapp:+14155550177'],
    ['55501', '55501'],
    ['Shop', 'Shop'],
  ])('%j is %s', (written, scope) => {
    expect(readScope(written, { ...tenant, senders: ['Shop'] })).toEqual({ ok: true, value: scope });
  });

  it.each(['defualt', 'Shop', '__proto__', 'MG1', '+1', ''])('%j is none of the tenant', (written) => {
    expect(readScope(written, tenant).ok).toBe(false);
  });
});

it.each([
  ['=HYPERLINK("http://evil")', `'=HYPERLINK("http://evil")`],
  ['+cmd|calc', `'+cmd|calc`],
  ['+1415+1', `'+1415+1`],
  ['-1+1', `'-1+1`],
  ['@SUM(A1)', `'@SUM(A1)`],
  ['\tx', `'\tx`],
  ['＝1', `'＝1`],
  ['+14155550199', '+14155550199'],
  ['whatsapp:+14155550199', 'whatsapp:+14155550199'],
  ['*', '*'],
])('the cell %j is exported as %j', (cell, inert) => {
  expect(inertCell(cell)).toBe(inert);
});
