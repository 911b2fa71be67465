import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cutToJsonBytes, jsonBytes } from './json-size.ts';

describe('cutToJsonBytes', () => {
  it('is the longest beginning that fits, in whole characters', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '"', '\u0001'), maxLength: 40 });
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 60 }), (whole, maxBytes) => {
        const cut = cutToJsonBytes(whole, maxBytes);
        const next = String.fromCodePoint(whole.codePointAt(cut.length) ?? 0x61);
        expect(whole.startsWith(cut) && cut.isWellFormed()).toBe(true);
        expect(jsonBytes(cut)).toBeLessThanOrEqual(maxBytes);
        if (cut !== whole) expect(jsonBytes(cut + next)).toBeGreaterThan(maxBytes);
      }),
    );
  });

  it.each([0, 1, -5])('is nothing when nothing fits (%i bytes)', (maxBytes) => {
    expect(cutToJsonBytes('abc', maxBytes)).toBe('');
  });
});
