import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseForm } from './form.ts';

const parsed = (raw: string) => {
  const result = parseForm(raw);
  return result.ok ? { ...result.params } : result.why;
};

describe('parseForm', () => {
  it.each([
    ['nothing', '', {}],
    ['a pair', 'To=%2B14155550199', { To: '+14155550199' }],
    ['blank values, with and without =', 'FromCity=&ToZip', { FromCity: '', ToZip: '' }],
    ['an = inside the value', 'a=b=c', { a: 'b=c' }],
    ['white space kept', 'Body=+hi%20%0A+', { Body: ' hi \n ' }],
    ['a + in a name', 'a+b=1', { 'a b': '1' }],
    ['repeated names in their order', 'D=2&D=1&D=1', { D: ['2', '1', '1'] }],
    ['stray ampersands', '&&a=1&&', { a: '1' }],
    ['NUL', 'Body=a%00b', { Body: 'a\0b' }],
    ['an emoji', 'Body=%F0%9F%98%80', { Body: '😀' }],
    [
      'names of Object.prototype',
      'constructor=1&toString=2&hasOwnProperty=3',
      { constructor: '1', toString: '2', hasOwnProperty: '3' },
    ],
    ['a half escape', 'a=%4', 'bad_encoding'],
    ['no hex', 'a=%zz', 'bad_encoding'],
    ['not UTF-8', 'a=%FF', 'bad_encoding'],
    ['10,000 parameters', Array.from({ length: 10_000 }, (_, i) => `p${i}=`).join('&'), 'too_many_parameters'],
    ['10,000 times one parameter', 'p=1&'.repeat(10_000), 'too_many_parameters'],
  ])('%s', (_label, raw, expected) => {
    expect(parsed(raw)).toEqual(expected);
  });

  it('has no way to the prototype', () => {
    const result = parseForm('__proto__=x&__proto__=y');
    expect(result.ok && Object.getPrototypeOf(result.params)).toBeNull();
    expect(result.ok && result.params['__proto__']).toEqual(['x', 'y']);
  });

  it('reads what URLSearchParams writes', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 20 }), (pairs) => {
        const result = parseForm(new URLSearchParams(pairs).toString());
        expect(result.ok && Object.entries(result.params).sort()).toEqual([...pairs].sort());
      }),
    );
  });

  it('answers anything without throwing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (raw) => typeof parseForm(raw).ok === 'boolean'));
  });
});
