import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { parseTimestamptz } from './timestamptz.ts';

describe('parseTimestamptz', () => {
  it.each([
    ['without a fraction', '2026-11-24 18:00:00+00', '2026-11-24T18:00:00.000Z'],
    ['with one digit', '2026-11-24 18:00:00.1+00', '2026-11-24T18:00:00.100Z'],
    ['with microseconds', '2026-11-24 18:00:00.123987+00', '2026-11-24T18:00:00.123Z'],
    ['of a server elsewhere', '2026-11-24 23:30:00.5+05:30', '2026-11-24T18:00:00.500Z'],
    ['of a server behind UTC', '2026-11-24 10:00:00-08', '2026-11-24T18:00:00.000Z'],
    ['of the first century', '0099-01-01 00:00:00+00', '0099-01-01T00:00:00.000Z'],
    ['with five digits of the year', '12026-11-24 18:00:00+00', '+012026-11-24T18:00:00.000Z'],
    ['before Christ', '0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00.000Z'],
  ])('reads a time %s', (_, text, expected) => {
    expect(parseTimestamptz(text).toISOString()).toBe(expected);
  });

  it('leaves infinity to the driver', () => {
    const parse = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => unknown;
    expect(parseTimestamptz('infinity')).toBe(parse('infinity'));
  });
});
