import { describe, expect, it } from '@jest/globals';
import { isTollFree, readKeyword } from './keywords.rules.ts';

const number = '+14155550100';
const tollFree = '+18885550100';
const whatsapp = 'whatsapp:+14155550100';

describe('readKeyword', () => {
  it.each([
    ...['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'REVOKE', 'OPTOUT', 'ARRET', 'ARRETE', 'ARRETT'].map(
      (word) => [word, 'STOP', word] as const,
    ),
    ...['START', 'UNSTOP', 'YES'].map((word) => [word, 'START', word] as const),
    ...['HELP', 'INFO'].map((word) => [word, 'HELP', word] as const),
    [' Stop ', 'STOP', 'STOP'],
    ['stop\r\n', 'STOP', 'STOP'],
    ['\u00a0sToP\ufeff', 'STOP', 'STOP'],
    ['Yes', 'START', 'YES'],
  ] as const)('%j is %s, by the word %s', (body, type, keyword) => {
    expect(readKeyword({ body, optOutType: null, to: number })).toEqual({ type, reason: 'stop_keyword', keyword });
  });

  it.each([
    'STOP PLEASE',
    'please stop',
    'STOP STOP',
    'STOP ALL',
    'stop.',
    'stop!',
    '"STOP"',
    '‘STOP’',
    "don't stop",
    'STOPP',
    'ＳＴＯＰ',
    'ſtop',
    'ﬆop',
    'ınfo',
    'STОP', // with a Cyrillic О
    'S T O P',
    'STOP 🛑',
    '🛑',
    'opt-out',
    'opt out',
    'no',
    '__proto__',
    'constructor',
    '',
    '   ',
    null,
  ])('%j is no keyword', (body) => {
    expect(readKeyword({ body, optOutType: null, to: number })).toBeUndefined();
  });

  it.each([
    ['Genug', 'STOP', 'STOP', null],
    ['Genug', 'stop', 'STOP', null],
    ['STOP', 'START', 'START', 'STOP'],
    ['START', 'HELP', 'HELP', 'START'],
    ['yes', 'START', 'START', 'YES'],
    [null, 'STOP', 'STOP', null],
  ])('%j with OptOutType %s: the type counts', (body, optOutType, type, keyword) => {
    const reading = { type, reason: 'advanced_opt_out', keyword };
    expect(readKeyword({ body, optOutType, to: number })).toEqual(reading);
  });

  it('reads the text when the type is one nobody knows', () => {
    expect(readKeyword({ body: 'STOP', optOutType: 'NEW', to: number })?.reason).toBe('stop_keyword');
  });

  it('takes no YES for START where the network does not: toll-free, WhatsApp', () => {
    for (const to of [tollFree, whatsapp]) {
      expect(readKeyword({ body: 'YES', optOutType: null, to })).toBeUndefined();
      expect(readKeyword({ body: 'UNSTOP', optOutType: null, to })?.type).toBe('START');
      expect(readKeyword({ body: 'START', optOutType: null, to })?.type).toBe('START');
      expect(readKeyword({ body: 'STOP', optOutType: null, to })?.type).toBe('STOP');
    }
  });
});

it.each([
  ['+18005550100', true],
  ['+18335550100', true],
  ['+18445550100', true],
  ['+18555550100', true],
  ['+18665550100', true],
  ['+18775550100', true],
  ['+18885550100', true],
  ['+18995550100', false],
  ['+14155550100', false],
  ['+448005550100', false],
  ['88855', false],
])('%s is toll-free: %s', (sender, expected) => {
  expect(isTollFree(sender)).toBe(expected);
});
