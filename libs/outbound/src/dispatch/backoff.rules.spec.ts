import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoff } from './backoff.rules.ts';

const policy = { backoffBaseMs: 500, backoffMaxMs: 300_000 };

describe('backoff', () => {
  it('is jittered under a ceiling that doubles, and honours Retry-After', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.option(fc.integer({ min: 0, max: 100_000 })),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (number, retryAfter, random) => {
          const delay = backoff(number, retryAfter, policy, () => random);
          const ceiling = Math.min(policy.backoffMaxMs, policy.backoffBaseMs * 2 ** (number - 1));
          expect(delay).toBeGreaterThanOrEqual(retryAfter ?? 0);
          expect(delay).toBeLessThanOrEqual(Math.max(retryAfter ?? 0, ceiling));
        },
      ),
    );
  });
});
