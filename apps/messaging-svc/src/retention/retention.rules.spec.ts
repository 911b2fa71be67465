import { expect, it } from '@jest/globals';
import { cutoffsOf } from './retention.rules.ts';

const now = new Date('2026-11-24T18:00:00.000Z');

it.each([
  [undefined, '2026-10-25T18:00:00.000Z', '2025-10-20T18:00:00.000Z'],
  [{ bodies: 'P1D', messages: 'P1Y' }, '2026-11-23T18:00:00.000Z', '2025-11-24T18:00:00.000Z'],
  [{ bodies: 'P2W', messages: 'P3M' }, '2026-11-10T18:00:00.000Z', '2026-08-24T18:00:00.000Z'],
])('%j: bodies until %s, messages until %s', (periods, bodies, messages) => {
  expect(cutoffsOf(periods, now)).toEqual({ bodies: new Date(bodies), messages: new Date(messages) });
});
