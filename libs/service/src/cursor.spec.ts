import { describe, expect, it } from '@jest/globals';
import { readCursor, writeCursor } from './cursor.ts';

const id = '019a0000-0000-7000-8000-00000000000a';
const encode = (text: string) => Buffer.from(text).toString('base64url');

describe('a cursor', () => {
  it('is read back as it was written', () => {
    const place = { at: '2026-11-24T18:00:00.123Z', id };
    expect(readCursor(writeCursor(place))).toEqual(place);
  });

  it.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['the year 0', encode(`0000-01-01T00:00:00.000Z ${id}`)],
    ['a 31st of February', encode(`2026-02-31T00:00:00.000Z ${id}`)],
    ['an hour 25', encode(`2026-02-01T25:00:00.000Z ${id}`)],
    ['an id of dashes', encode(`2026-02-01T00:00:00.000Z ${'-'.repeat(36)}`)],
    ['an id of digits', encode(`2026-02-01T00:00:00.000Z ${'0'.repeat(36)}`)],
    ['more behind it', encode(`2026-02-01T00:00:00.000Z ${id}' or true`)],
  ])('of %s is none', (_label, cursor) => {
    expect(readCursor(cursor)).toBeUndefined();
  });
});
