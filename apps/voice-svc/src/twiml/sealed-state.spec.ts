import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Place, StateSeal } from './sealed-state.ts';

const place: Place = {
  flow: 'support',
  version: 3,
  callId: null,
  state: {
    node: 'menu',
    step: 2,
    attempts: 1,
    variables: { name: 'Ann 👋', order: '42' },
    consented: true,
    counts: { retry: 2 },
    ended: false,
    marked: 4,
  },
};

describe('a place in a URL', () => {
  const seal = new StateSeal();

  it('opens as it was, in any process, also with the other token of a rotation', () => {
    const sealed = seal.seal(place, 'CA1', 'token');
    expect(sealed).toMatch(/^[\w-]+$/);
    for (const tokens of [['token'], ['new', 'token']])
      expect(new StateSeal().open(sealed, 'CA1', tokens)).toEqual({ place, complete: true });
  });

  it('is the same text for the same place', () => {
    expect(seal.seal(place, 'CA1', 'token')).toBe(new StateSeal().seal(structuredClone(place), 'CA1', 'token'));
    expect(seal.seal(place, 'CA1', 'token')).not.toBe(seal.seal({ ...place, version: 4 }, 'CA1', 'token'));
  });

  it('tells nothing of what it holds', () => {
    expect(Buffer.from(seal.seal(place, 'CA1', 'token'), 'base64url').toString('latin1')).not.toMatch(/Ann|order|menu/);
  });

  it('does not open for another call, with another token, or changed', () => {
    const sealed = seal.seal(place, 'CA1', 'token');
    expect(seal.open(sealed, 'CA2', ['token'])).toBeUndefined();
    expect(seal.open(sealed, 'CA1', ['another'])).toBeUndefined();
    fc.assert(
      fc.property(
        fc.nat({ max: Buffer.from(sealed, 'base64url').length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = Buffer.from(sealed, 'base64url');
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          expect(seal.open(bytes.toString('base64url'), 'CA1', ['token'])).toBeUndefined();
        },
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => expect(seal.open(text, 'CA1', ['token'])).toBeUndefined()));
  });

  it('leaves out variables that are too large, and says so', () => {
    const variables = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`v${i}`, 'x'.repeat(200)]));
    const sealed = seal.seal({ ...place, state: { ...place.state, variables } }, 'CA1', 'token');
    expect(sealed.length).toBeLessThan(2000);
    expect(seal.open(sealed, 'CA1', ['token'])).toMatchObject({
      complete: false,
      place: { state: { node: 'menu', variables: {} } },
    });
  });
});
