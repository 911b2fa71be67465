import { expect, it } from '@jest/globals';
import { requestDigest } from './digest.ts';

it.each([
  ['fields in another order', { b: '2', a: { d: 1, c: 2 } }],
  ['a null where nothing was', { a: { c: 2, d: 1 }, b: '2', from: null }],
])('is the same for %s', (_label, request) => {
  expect(requestDigest(request)).toBe(requestDigest({ a: { c: 2, d: 1 }, b: '2' }));
});

it.each([
  ['another value', { a: ['1', '2'], b: '3' }],
  ['a list in another order', { a: ['2', '1'], b: '2' }],
  ['a field more', { a: ['1', '2'], b: '2', c: '' }],
])('is another one for %s', (_label, request) => {
  expect(requestDigest(request)).not.toBe(requestDigest({ a: ['1', '2'], b: '2' }));
});
