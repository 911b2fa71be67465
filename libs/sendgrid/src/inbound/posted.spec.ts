import { expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { PostedEmailReader, type Stage } from './posted.ts';

it('holds 1 MB of fields and stages the rest, whole', async () => {
  const stored: Buffer[] = [];
  const stage: Stage = async (source) => {
    const bytes = await buffer(source as AsyncIterable<Buffer>);
    stored.push(bytes);
    const nothing = async () => undefined;
    return { key: '', bytes: bytes.length, sha256: String(stored.length), commit: nothing, discard: nothing };
  };
  const reader = new PostedEmailReader(stage);
  const content = Buffer.alloc(200_000, 'x');
  for (let index = 0; index < 20; index++) {
    const part = { name: `field${index}`, filename: undefined, contentType: 'text/plain' };
    await reader.take({ ...part, content: Readable.from([content.subarray(0, 70_000), content.subarray(70_000)]) });
  }
  const fields = [...reader.end().fields.values()];
  expect(fields.reduce((held, { head }) => held + head.length, 0)).toBe(1024 * 1024);
  expect(fields.filter(({ blob }) => blob)).toHaveLength(15);
  expect(stored.every((blob) => blob.equals(content))).toBe(true);
});
