import { describe, expect, it } from '@jest/globals';
import { parseJson } from './json.ts';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('parseJson', () => {
  it.each([
    ['an object', '{"a":[1,"]}",{"b":"\\"["}]}', { ok: true, value: { a: [1, ']}', { b: '"[' }] } }],
    ['brackets in a string', `"${'['.repeat(100)}"`, { ok: true, value: '['.repeat(100) }],
    [
      'many, but beside each other',
      `[${'[],'.repeat(100)}0]`,
      { ok: true, value: [...Array<never[]>(100).fill([]), 0] },
    ],
    ['nothing', '', { ok: false, why: 'not_json' }],
    ['half a document', '{"a":', { ok: false, why: 'not_json' }],
    ['a megabyte of brackets', '['.repeat(1_000_000), { ok: false, why: 'too_deep' }],
    ['what is nested too deep', nested(33), { ok: false, why: 'too_deep' }],
  ])('%s', (_label, text, expected) => {
    expect(parseJson(text)).toEqual(expected);
  });

  it('takes what is just not too deep', () => {
    expect(parseJson(nested(32)).ok).toBe(true);
  });
});
