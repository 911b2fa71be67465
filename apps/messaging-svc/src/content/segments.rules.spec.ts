import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import calculator from 'sms-segments-calculator';
import { gsm7Alphabet, gsm7Extension } from './gsm7.data.ts';
import { encodingOf, segment, smartEncode } from './segments.rules.ts';

const { SegmentedMessage } = calculator;

const gsm7 = fc
  .array(fc.constantFrom(...gsm7Alphabet, ...gsm7Extension), { maxLength: 700 })
  .map((characters) => characters.join(''));
const unicode = fc
  .array(fc.constantFrom('a', 'я', '漢', '👍', '€', '\n', '’'), { maxLength: 400 })
  .map((characters) => characters.join(''));
const anything = fc.string({ unit: 'binary', maxLength: 300 });

describe('segment', () => {
  it.each([
    ['nothing', '', 'GSM-7', 1],
    ['a full message', 'a'.repeat(160), 'GSM-7', 1],
    ['one letter more', 'a'.repeat(161), 'GSM-7', 2],
    ['two full parts', 'a'.repeat(306), 'GSM-7', 2],
    ['escaped characters, two places each', '€'.repeat(80), 'GSM-7', 1],
    ['one escaped character too many', '€'.repeat(81), 'GSM-7', 2],
    ['an escaped character that would be split', 'a'.repeat(152) + '€' + 'a'.repeat(152), 'GSM-7', 3],
    ['the same without it', 'a'.repeat(153) + 'a'.repeat(153), 'GSM-7', 2],
    ['national letters of the alphabet', 'àèìòùÄÖÜñ¿¡', 'GSM-7', 1],
    ['ç, which is not in it though Ç is', 'ç', 'UCS-2', 1],
    ['a full message in UCS-2', 'я'.repeat(70), 'UCS-2', 1],
    ['one letter more in UCS-2', 'я'.repeat(71), 'UCS-2', 2],
    ['a surrogate pair that would be split', 'я'.repeat(66) + '👍' + 'я'.repeat(66), 'UCS-2', 3],
    ['an emoji of four people that would be split', 'я'.repeat(60) + '👨‍👩‍👧‍👦' + 'я'.repeat(10), 'UCS-2', 2],
    ['1,600 letters', 'a'.repeat(1600), 'GSM-7', 11],
    ['1,600 letters of which one is not in the alphabet', 'ç' + 'a'.repeat(1599), 'UCS-2', 24],
  ] as const)('%s', (_label, text, encoding, count) => {
    const { encoding: found, segments } = segment(text);
    expect([found, segments.length]).toEqual([encoding, count]);
    const twilio = new SegmentedMessage(text);
    expect([twilio.encodingName, twilio.segmentsCount]).toEqual([encoding, count]);
  });

  it('agrees with Twilio’s calculator', () => {
    fc.assert(
      fc.property(fc.oneof(gsm7, unicode), (text) => {
        const twilio = new SegmentedMessage(text);
        const { encoding, segments } = segment(text);
        expect([encoding, segments.length]).toEqual([twilio.encodingName, twilio.segmentsCount]);
      }),
      { numRuns: 200 },
    );
  });

  it('loses nothing, splits no pair, overfills no part, and could not do with fewer', () => {
    fc.assert(
      fc.property(fc.oneof(gsm7, unicode, anything), (text) => {
        const { encoding, segments } = segment(text);
        expect(segments.join('')).toBe(text);
        if (segments.length === 1) return;
        const width = (part: string) =>
          encoding === 'UCS-2'
            ? part.length
            : [...part].reduce((sum, one) => sum + (gsm7Extension.includes(one) ? 2 : 1), 0);
        const most = encoding === 'UCS-2' ? 67 : 153;
        segments.forEach((part, index) => {
          expect(width(part)).toBeLessThanOrEqual(most);
          const next = segments[index + 1];
          if (next === undefined) return;
          expect(/[\ud800-\udbff]$/.test(part) && /^[\udc00-\udfff]/.test(next)).toBe(false);
          const first = [...new Intl.Segmenter('en').segment(next)][0]?.segment ?? '';
          // Greedy is minimal when the next whole character never fits.
          if (width(first) <= most) expect(width(part) + width(first)).toBeGreaterThan(most);
        });
      }),
    );
  });
});

describe('smartEncode', () => {
  it.each([
    ['curly quotes, dashes and an ellipsis', 'It’s “here” – now…', 'It\'s "here" - now...', 'GSM-7'],
    ['what has no look-alike stays', 'Привет – 漢', 'Привет - 漢', 'UCS-2'],
    ['the alphabet itself', gsm7Alphabet, gsm7Alphabet, 'GSM-7'],
  ] as const)('%s', (_label, text, expected, encoding) => {
    expect(smartEncode(text)).toBe(expected);
    expect(encodingOf(smartEncode(text))).toBe(encoding);
  });

  it('replaces as Twilio’s calculator does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
        expect(segment(smartEncode(text)).encoding).toBe(new SegmentedMessage(text, 'auto', true).encodingName);
      }),
    );
  });
});
