import { describe, expect, it } from '@jest/globals';
import { maskAll, maskJson, maskNumber } from './masking.ts';

describe('maskAll', () => {
  it.each([
    ['E.164', 'to +14155550199 failed', 'to +1415•••199 failed'],
    ['WhatsApp', 'whatsapp:+14155550199', 'whatsapp:+1415•••199'],
    ['URL-encoded', 'To=%2B14155550199&From=%2b4512345678', 'To=%2B1415•••199&From=%2b4512•••78'],
    ['URL-encoded twice', 'u=%252B14155550199', 'u=%252B1415•••199'],
    [
      'within a URL',
      'https://x.test/v1/suppressions/+14155550199?a=1',
      'https://x.test/v1/suppressions/+1415•••199?a=1',
    ],
    ['as people write them', '+1 (415) 555-0199, +45 12 34 56 78.', '+1415•••199, +4512•••78.'],
    ['two in a row', '+14155550199+14155550198', '+1415•••199+1415•••198'],
    ['the longest there is', '+123456789012345', '+1234•••345'],
    ['nine digits', '+123456789', '+1234•••9'],
    ['the shortest there is', '+1234567', '+123•••'],
    ['more digits than any number has', '+1234567890123456789', '+1234•••789'],
    ['a short code is nobody’s number', 'from 55501 to 12345', 'from 55501 to 12345'],
    [
      'times, offsets and sums',
      '2026-11-24T18:00:00+01:00 1+123456 offset 1764007200123',
      '2026-11-24T18:00:00+01:00 1+123456 offset 1764007200123',
    ],
    ['masked already', '+1415•••199', '+1415•••199'],
    ['an email address', 'mail to jane.doe+x@mail.example.com', 'mail to j•••@mail.example.com'],
    ['an address of one letter', 'j@example.com', 'j•••@example.com'],
    ['an address in a URL', '/v1/emails?to=jane%40example.com', '/v1/emails?to=j•••%40example.com'],
    ['an address in other letters', 'jörg@example.com', 'j•••@example.com'],
    ['a package is no address', 'node_modules/@nestjs/core and foo@1', 'node_modules/@nestjs/core and foo@1'],
    ['a bearer token', 'Authorization: Bearer abc.DEF-123==', 'Authorization: Bearer [redacted]'],
    [
      'secrets in a query',
      '/x?Body=Hello%20you&code=123&authToken=a&page=2',
      '/x?Body=[redacted]&code=[redacted]&authToken=[redacted]&page=2',
    ],
    ['nothing', '', ''],
  ])('%s', (_label, text, masked) => {
    expect(maskAll(text)).toBe(masked);
  });

  it.each([7, 8, 9, 10, 11, 12, 13, 14, 15])('shows at most seven of %d digits and hides at least four', (length) => {
    const shown = maskAll(`+${'123456789012345'.slice(0, length)}`).replace(/\D/g, '').length;
    expect(shown).toBe(Math.min(7, length - 4));
  });

  it('reads a long text once', () => {
    const long = `${'a'.repeat(200_000)} ${'+1 '.repeat(50_000)}x${'1'.repeat(100_000)}@`;
    // Compared as a boolean: a diff of half a megabyte helps nobody.
    expect(maskAll(long) === long).toBe(true);
  });
});

describe('maskNumber', () => {
  it.each([
    ['+14155550199', '+1415•••199'],
    ['whatsapp:+14155550199', 'whatsapp:+1415•••199'],
    ['4155550199', '•••'],
    ['client:jane', '•••'],
    ['', ''],
  ])('%s → %s', (number, masked) => {
    expect(maskNumber(number)).toBe(masked);
  });
});

describe('maskJson', () => {
  const mask = (value: unknown): unknown => JSON.parse(maskJson(JSON.stringify(value)));

  it.each<[string, unknown, unknown]>([
    ['a text', { body: 'Your code is "12" \\' }, { body: '[redacted]' }],
    [
      'whatever its case',
      { Body: 'x', authToken: 'y', 'Set-Cookie': 'z' },
      { Body: '[redacted]', authToken: '[redacted]', 'Set-Cookie': '[redacted]' },
    ],
    ['a number', { code: 123456, page: 2 }, { code: '[redacted]', page: 2 }],
    ['nothing stays nothing', { body: null, to: null }, { body: null, to: null }],
    [
      'an object with all that is in it',
      { a: 1, body: { x: [1, { y: '}' }], z: '"' }, b: 2 },
      { a: 1, body: '[redacted]', b: 2 },
    ],
    ['a list', { tokens: ['t'], token: ['a', 'b'], c: 3 }, { tokens: ['t'], token: '[redacted]', c: 3 }],
    [
      'deep inside',
      { a: [{ b: { password: 'p', to: '+14155550199' } }] },
      { a: [{ b: { password: '[redacted]', to: '+1415•••199' } }] },
    ],
    [
      'a text that looks like a key',
      { note: '"body": yes', x: 'a\u001bj@example.com' },
      { note: '"body": yes', x: 'a\u001bj•••@example.com' },
    ],
    [
      'a key that only ends alike',
      { context: 'c', errorCode: 30003, statusCode: 400 },
      { context: 'c', errorCode: 30003, statusCode: 400 },
    ],
    ['a line break before an address', { m: 'x.\njane@example.com' }, { m: 'x.\nj•••@example.com' }],
  ])('%s', (_label, value, masked) => {
    expect(mask(value)).toEqual(masked);
  });

  it('redacts inside a JSON text within a string', () => {
    const inner = JSON.stringify({ to: '+14155550199', body: 'He said "hi" \\ and left', n: 1 });
    const { raw } = mask({ raw: inner }) as { raw: string };
    expect(JSON.parse(raw)).toEqual({ to: '+1415•••199', body: '[redacted]', n: 1 });
  });

  it('takes a very long value', () => {
    const body = 'say "hi" \\ \n'.repeat(4_000_000);
    expect(mask({ body, raw: JSON.stringify({ body }) })).toEqual({ body: '[redacted]', raw: '{"body":"[redacted]"}' });
  });

  it('redacts a JSON text that is cut off, and stays inside it', () => {
    expect(mask({ raw: '{"body":"Hello yo', next: 'kept' })).toEqual({ raw: '{"body":"[redacted]', next: 'kept' });
  });
});
