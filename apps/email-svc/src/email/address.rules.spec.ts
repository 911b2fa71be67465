import { describe, expect, it } from '@jest/globals';
import { domainOf, readAddress, writeAddress } from './address.rules.ts';

describe('an address', () => {
  it.each([
    ['a@example.com', 'a@example.com', null],
    [' A@Example.COM ', 'a@example.com', null],
    ['Ada Lovelace <ada@example.com>', 'ada@example.com', 'Ada Lovelace'],
    ['"Ada, of the engine" <ada@example.com>', 'ada@example.com', 'Ada, of the engine'],
    ['<ada@example.com>', 'ada@example.com', null],
    ["o'hara+tag@mail.example.co.uk", "o'hara+tag@mail.example.co.uk", null],
    ['a@xn--bcher-kva.example', 'a@xn--bcher-kva.example', null],
  ])('%s is read', (written, email, name) => expect(readAddress(written)).toEqual({ email, name }));

  it.each([
    'nobody',
    'a@localhost',
    'a@b@example.com',
    '.a@example.com',
    'a.@example.com',
    'a..b@example.com',
    'a b@example.com',
    'a@-example.com',
    'a@exa_mple.com',
    'a@bücher.example',
    `${'a'.repeat(65)}@example.com`,
    'Ada <ada@example.com> <b@example.com>',
    'a@example.com\nBcc: b@example.com',
  ])('%j is none', (written) => expect(readAddress(written)).toBeUndefined());

  it('is written as it was read, and has a domain', () => {
    expect(writeAddress({ email: 'ada@example.com', name: 'Ada' })).toBe('Ada <ada@example.com>');
    expect(domainOf('ada@mail.example.com')).toBe('mail.example.com');
  });
});
