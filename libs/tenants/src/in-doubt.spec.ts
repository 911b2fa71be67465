import { expect, it } from '@jest/globals';
import { inDoubt } from './in-doubt.ts';

it.each([
  ['hold', { policy: 'hold', after: 'PT15M' }],
  ['resend', { policy: 'resend', after: 'PT15M' }],
  [
    { policy: 'resend', after: 'PT1H30M' },
    { policy: 'resend', after: 'PT1H30M' },
  ],
])('%j is taken', (written, read) => {
  expect(inDoubt.parse(written)).toEqual(read);
});

it.each([
  'drop',
  { after: 'PT15M' },
  { policy: 'resend', after: 'PT59S' },
  { policy: 'resend', after: '15m' },
  { policy: 'hold', then: 'resend' },
])('%j is refused', (written) => {
  expect(inDoubt.safeParse(written).success).toBe(false);
});
