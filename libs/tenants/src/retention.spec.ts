import { expect, it } from '@jest/globals';
import { retention } from './retention.ts';

it.each([
  [{}, { bodies: 'P30D', messages: 'P400D' }],
  [{ bodies: 'P1Y' }, { bodies: 'P1Y', messages: 'P400D' }],
  [
    { bodies: 'P1W2D', messages: 'P2M' },
    { bodies: 'P1W2D', messages: 'P2M' },
  ],
])('%j is taken', (written, read) => {
  expect(retention.parse(written)).toEqual(read);
});

it.each([
  { bodies: 'P0D' },
  { bodies: 'PT12H' },
  { bodies: 'P' },
  { bodies: '30' },
  { bodies: 'P401D' },
  { texts: 'P1D' },
])('%j is refused', (written) => {
  expect(retention.safeParse(written).success).toBe(false);
});
