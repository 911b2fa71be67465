import { describe, expect, it } from '@jest/globals';
import { blocksBeside, networkOf, prefixesOf } from './prefix.rules.ts';

describe('the prefixes of a number', () => {
  it.each([
    [
      'of Azerbaijan',
      '+994501201234',
      'block:+994501201 ten_thousand:+99450120 hundred_thousand:+9945012 area:+99450 country:+994',
    ],
    [
      'of the US, whose calling code is no prefix',
      '+14155550199',
      'block:+14155550 ten_thousand:+1415555 hundred_thousand:+141555 area:+1415',
    ],
    [
      'of Kazakhstan, which shares +7',
      '+77011234567',
      'block:+77011234 ten_thousand:+7701123 hundred_thousand:+770112 area:+770',
    ],
    ['of a short plan', '+290 23456'.replace(' ', ''), 'block:+29023 ten_thousand:+2902 hundred_thousand:+290'],
    ['of no country', '+999123456', 'block:+999123'],
  ])('%s', (_label, number, expected) => {
    expect(
      prefixesOf(number)
        .map(({ level, prefix }) => `${level}:${prefix}`)
        .join(' '),
    ).toBe(expected);
  });

  it('get shorter, and begin the number', () => {
    for (const number of ['+4915112345678', '+447911123456', '+8613800138000', '+50688881234', '+68512345']) {
      const prefixes = prefixesOf(number).map(({ prefix }) => prefix);
      for (const [index, prefix] of prefixes.entries()) {
        expect(number.startsWith(prefix)).toBe(true);
        expect(prefix.length).toBeLessThan(prefixes[index - 1]?.length ?? number.length);
      }
    }
  });
});

it('a block has one before and one behind it, of the same length', () => {
  expect(blocksBeside('+14155550')).toEqual(['+14155549', '+14155551']);
  expect(blocksBeside('+999999')).toEqual(['+999998']);
  expect(blocksBeside('+1000')).toEqual(['+1001']);
});

describe('the network of an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:aaaa::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s is in %s', (ip, network) => expect(networkOf(ip)).toBe(network));
});
