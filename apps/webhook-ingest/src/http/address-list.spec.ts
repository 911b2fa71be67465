import { describe, expect, it } from '@jest/globals';
import { includesAddress } from './address-list.ts';

const ranges = ['192.0.2.0/24', '198.51.100.7', '2001:db8::/32'];

describe('includesAddress', () => {
  it.each([
    ['192.0.2.200', true],
    ['::ffff:192.0.2.200', true],
    ['198.51.100.7', true],
    ['198.51.100.8', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    ['', false],
    ['192.0.2.1, 192.0.2.2', false],
  ])('%s: %s', (address, expected) => {
    expect(includesAddress(ranges, address)).toBe(expected);
  });
});
