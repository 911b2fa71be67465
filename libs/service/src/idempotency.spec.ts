import { describe, expect, it } from '@jest/globals';
import { mergeIdempotencyKey } from './idempotency.ts';

describe('mergeIdempotencyKey', () => {
  it.each<[string, string | string[] | undefined, unknown, unknown]>([
    ['no header', undefined, { a: 1 }, { a: 1 }],
    ['header alone', 'order-42', { a: 1 }, { a: 1, idempotencyKey: 'order-42' }],
    ['a quoted header', '"order \\"42\\""', {}, { idempotencyKey: 'order "42"' }],
    ['a null in the body', 'order-42', { idempotencyKey: null }, { idempotencyKey: 'order-42' }],
    ['both alike', 'order-42', { idempotencyKey: 'order-42' }, { idempotencyKey: 'order-42' }],
    ['no object: left to the schema', 'order-42', [1], [1]],
    ['no body: left to the schema', 'order-42', undefined, undefined],
  ])('%s', (_label, header, body, merged) => {
    expect(mergeIdempotencyKey(header, body)).toEqual(merged);
  });

  it('refuses two different keys', () => {
    expect(() => mergeIdempotencyKey('a', { idempotencyKey: 'b' })).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ status: 400 }) }),
    );
  });
});
