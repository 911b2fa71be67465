import { describe, expect, it } from '@jest/globals';
import { countSegments } from './segments.rules.ts';

describe('countSegments', () => {
  it.each([
    ['nothing', '', 0],
    ['one GSM-7 segment, full', 'a'.repeat(160), 1],
    ['one character more: two of 153', 'a'.repeat(161), 2],
    ['two full ones', 'a'.repeat(306), 2],
    ['three', 'a'.repeat(307), 3],
    ['an extension character takes two septets', '€'.repeat(80), 1],
    ['81 of them do not fit', '€'.repeat(81), 2],
    ['one UCS-2 segment, full', 'ж'.repeat(70), 1],
    ['one character more: two of 67', 'ж'.repeat(71), 2],
    ['an emoji is two UCS-2 units', '😀'.repeat(35), 1],
    ['36 of them do not fit', '😀'.repeat(36), 2],
    ['one character outside GSM-7 makes all of it UCS-2', `${'a'.repeat(70)}’`, 2],
    ['Greek capitals and accents of GSM-7', 'ΔΦΓΛΩΠΨΣΘΞ èéùìòÇ', 1],
  ])('%s', (_label, body, segments) => {
    expect(countSegments(body)).toBe(segments);
  });
});
