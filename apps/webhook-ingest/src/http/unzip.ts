import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

export type Unzipped =
  { readonly ok: true; readonly body: Buffer } | { readonly ok: false; readonly why: 'too_large' | 'not_gzip' };

const unzipBuffer = promisify(gunzip);

/** Never makes more of it than `maxBytes`, whatever it would become. */
export async function unzip(zipped: Buffer, maxBytes: number): Promise<Unzipped> {
  try {
    return { ok: true, body: await unzipBuffer(zipped, { maxOutputLength: maxBytes }) };
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    return { ok: false, why: tooLarge ? 'too_large' : 'not_gzip' };
  }
}
