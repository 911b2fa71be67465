import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isSequential, looksPumped, type PrefixLook, signsOf } from './pumping.rules.ts';

const look = (changes: Partial<PrefixLook> = {}): PrefixLook => ({
  tenant: 'demo',
  prefix: '+994501',
  handedOver: 200,
  usualHandedOver: 0,
  volume: 150,
  failures: 5,
  fraudCodes: 0,
  ...changes,
});
const oneAfterAnother = Array.from({ length: 100 }, (_, index) => `+9945012${String(index * 3).padStart(4, '0')}`);
const farApart = Array.from({ length: 100 }, (_, index) => `+9945012${String(index * 97).padStart(4, '0')}`);

/** The generator prefers small and close numbers, which nobody draws. */
const spread = (drawn: readonly number[]) =>
  new Set(drawn.map((number) => Math.floor(number / 20))).size >= drawn.length * 0.95;

describe('signs of SMS pumping', () => {
  it.each([
    ['a campaign in a new country that is delivered', {}, farApart, ['sudden'], false],
    ['numbers one after another out of nothing', {}, oneAfterAnother, ['sudden', 'sequential'], true],
    ['hardly anything delivered out of nothing', { failures: 140 }, farApart, ['sudden', 'undelivered'], true],
    ['an outage where we always send', { failures: 140, usualHandedOver: 10_000 }, [], ['undelivered'], false],
    [
      'ten times as usual, one after another',
      { usualHandedOver: 1_600 },
      oneAfterAnother,
      ['sudden', 'sequential'],
      true,
    ],
    ['little traffic', { handedOver: 20, volume: 20 }, [], [], false],
    ["the provider's word", { fraudCodes: 5, usualHandedOver: 10_000 }, [], ['fraud_codes'], true],
    ["one mistake of the provider's", { fraudCodes: 4, usualHandedOver: 10_000 }, [], [], false],
  ] as const)('%s', (_label, changes, numbers, signs, pumped) => {
    const seen = signsOf(look(changes), numbers, 50, false);
    expect(seen).toEqual(signs);
    expect(looksPumped(seen)).toBe(pumped);
  });

  it('does not take a list of neighbouring numbers for pumping where the tenant has senders', () => {
    expect(signsOf(look(), oneAfterAnother, 50, true)).toEqual(['sudden']);
    expect(looksPumped(signsOf(look({ failures: 140 }), oneAfterAnother, 50, true))).toBe(true);
  });

  it('sees numbers one after another in whatever order and however often', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(oneAfterAnother, { minLength: 90 }), (numbers) => {
        expect(isSequential([...numbers, ...numbers])).toBe(true);
      }),
    );
  });

  it('does not take numbers drawn at random for such', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 9_999_999 }), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(numbers.filter(spread), (drawn) => {
        expect(isSequential(drawn.map((number) => `+1415${String(number).padStart(7, '0')}`))).toBe(false);
      }),
    );
  });
});
