import { describe, expect, it } from '@jest/globals';
import { cleanText, jsonb } from './json.ts';

describe('jsonb', () => {
  it.each<[string, unknown, string]>([
    ['an object', { a: [1, null, true] }, '{"a":[1,null,true]}'],
    ['undefined', undefined, 'null'],
    ['a NUL', { a: 'x\0y' }, '{"a":"xy"}'],
    ['a NUL in a name', { 'x\0y': 1 }, '{"xy":1}'],
    ['a NUL after a backslash', '\\\0', String.raw`"\\"`],
    ['the six characters of an escaped NUL', String.raw`\u0000`, String.raw`"\\u0000"`],
    ['the six characters of an escaped surrogate', String.raw`\ud800`, String.raw`"\\ud800"`],
    ['a lone high surrogate', 'x\ud83dy', '"x\ufffdy"'],
    ['a lone low surrogate', 'x\ude00y', '"x\ufffdy"'],
    ['a pair', '😀', '"😀"'],
    ['other control characters', '\u0001\n"', String.raw`"\u0001\n\""`],
    ['all of it', '\0\\\0\ud800\\ud800\0', String.raw`"\\` + '\ufffd' + String.raw`\\ud800"`],
  ])('%s', (_, value, expected) => {
    expect(jsonb(value)).toBe(expected);
  });
});

describe('cleanText', () => {
  it.each([
    ['ordinary text', 'a "b" {c} \\ 😀', 'a "b" {c} \\ 😀'],
    ['NULs', '\0a\0', 'a'],
    ['lone surrogates', 'a\ud800b', 'a\ufffdb'],
  ])('%s', (_, value, expected) => {
    expect(cleanText(value)).toBe(expected);
  });
});
