import { describe, expect, it } from '@jest/globals';
import { networkOf, SourceLimit } from './source-limit.rules.ts';

const start = 1_000_000;

describe('SourceLimit', () => {
  it('lets a source do what it may in a minute, and then only what is refilled', () => {
    const limit = new SourceLimit(3);
    expect([0, 0, 0, 0].map(() => limit.take('192.0.2.1', start))).toEqual([true, true, true, false]);
    expect(limit.take('192.0.2.2', start)).toBe(true);
    expect([20_000, 20_000].map((later) => limit.take('192.0.2.1', start + later))).toEqual([true, false]);
  });

  it('forgets the source that was silent for longest when there are too many', () => {
    const limit = new SourceLimit(1, 2);
    for (const source of ['a', 'b', 'a', 'c']) limit.take(source, start);
    expect(limit.take('a', start)).toBe(false);
    expect(limit.take('b', start)).toBe(true);
  });
});

describe('networkOf', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s is of %s', (address, network) => expect(networkOf(address)).toBe(network));

  it('is what is limited: a host cannot go on under another of its addresses', () => {
    const limit = new SourceLimit(1);
    expect(limit.take('2001:db8:1:2::1', start)).toBe(true);
    expect(limit.isSpent('2001:db8:1:2::2', start)).toBe(true);
    expect(limit.take('2001:db8:1:2::2', start)).toBe(false);
    expect(limit.take('2001:db8:1:3::1', start)).toBe(true);
    expect(limit.isSpent('2001:db8:1:2::2', start + 60_000)).toBe(false);
  });
});
