import { describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { unzip } from './unzip.ts';

describe('unzip', () => {
  it.each([
    ['what fits', gzipSync('[]'), { ok: true, body: Buffer.from('[]') }],
    ['a bomb', gzipSync(Buffer.alloc(1_000_000)), { ok: false, why: 'too_large' }],
    ['half a file', gzipSync('[]').subarray(0, 12), { ok: false, why: 'not_gzip' }],
    ['something else', Buffer.from('[]'), { ok: false, why: 'not_gzip' }],
    ['nothing', Buffer.alloc(0), { ok: false, why: 'not_gzip' }],
  ])('%s', async (_label, zipped, expected) => {
    expect(await unzip(zipped, 1000)).toEqual(expected);
  });
});
