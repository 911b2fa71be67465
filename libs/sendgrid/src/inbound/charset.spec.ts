import { describe, expect, it } from '@jest/globals';
import { decodeText } from './charset.ts';

describe('decodeText', () => {
  it.each([
    ['UTF-8', [0xc3, 0xa9], 'é'],
    ['UTF-8 that is none', [0xe9], '\ufffd', 'utf-8'],
    ['ISO-8859-1', [0xe9], 'é'],
    ['iso-8859-1, which mail means as windows-1252', [0x92], '’', 'iso-8859-1'],
    ['us-ascii', [0x41], 'A'],
    ['cp850', [0xa2], 'ó'],
    ['shift_jis', [0x82, 0xa0], 'あ'],
    ['ISO-2022-JP', [0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x42], 'あ'],
    ['gb18030', [0xc4, 0xe3], '你'],
    ['no charset, UTF-8', [0xc3, 0xa9], 'é', undefined],
    ['no charset, not UTF-8', [0xe9], 'é', undefined],
    ['a charset nobody knows', [0xe9], 'é', 'x-martian'],
    ['an encoding that is no charset', [0x41], 'A', 'base64'],
    ['an empty name', [0xc3, 0xa9], 'é', ' '],
  ] as [string, number[], string, string?][])('%s', (...[label, bytes, text, charset]) => {
    const named = label.includes(' ') ? charset : label.split(',')[0];
    expect(decodeText(Buffer.from(bytes), named)).toBe(text);
  });

  it.each([['utf-8'], [undefined]])('leaves out a character that is cut in two (%s)', (charset) => {
    const cut = Buffer.from('né').subarray(0, 2);
    expect(decodeText(cut, charset, { cut: true })).toBe('n');
    expect(decodeText(cut, 'utf-8')).toBe('n\ufffd');
  });
});
