import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { BlobNotFound, BlobStore, BlobTooLarge } from './blob-store.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'blob-store-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function* chunks(...parts: (string | Error)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('BlobStore', () => {
  it('gives back what was committed, in another process too', async () => {
    const staged = await (await BlobStore.open(directory)).stage(chunks('one ', 'two'));
    expect(staged).toMatchObject({ bytes: 7, sha256: createHash('sha256').update('one two').digest('hex') });
    await staged.commit();
    const reopened = await BlobStore.open(directory);
    expect((await buffer(await reopened.get(staged.key))).toString()).toBe('one two');
    expect(await filesIn(join(directory, staged.key.slice(0, 2)))).toEqual([staged.key]);
  });

  it('takes an empty blob', async () => {
    const store = await BlobStore.open(directory);
    const staged = await store.stage(chunks());
    await staged.commit();
    expect(await buffer(await store.get(staged.key))).toHaveLength(0);
  });

  it('does not show a blob before it is committed', async () => {
    const store = await BlobStore.open(directory);
    const staged = await store.stage(chunks('x'));
    await expect(store.get(staged.key)).rejects.toThrow(BlobNotFound);
  });

  it.each([
    ['staged', false],
    ['committed', true],
  ])('leaves nothing of a %s blob that is discarded, however often', async (_label, committed) => {
    const staged = await (await BlobStore.open(directory)).stage(chunks('x'));
    if (committed) await staged.commit();
    await staged.discard();
    await staged.discard();
    expect(await filesIn(directory)).toEqual([]);
  });

  it.each([
    ['that is too large', chunks('123', '456'), BlobTooLarge],
    ['whose source fails', chunks('123', new RangeError('gone')), RangeError],
  ])('leaves nothing of a blob %s', async (_label, source, error) => {
    const store = await BlobStore.open(directory, { maxBytes: 5 });
    await expect(store.stage(source)).rejects.toThrow(error);
    expect(await filesIn(directory)).toEqual([]);
  });

  it('deletes, and says whether there was anything', async () => {
    const store = await BlobStore.open(directory);
    const staged = await store.stage(chunks('x'));
    await staged.commit();
    expect(await store.delete(staged.key)).toBe(true);
    expect(await store.delete(staged.key)).toBe(false);
    await expect(store.get(staged.key)).rejects.toThrow(BlobNotFound);
  });

  it.each(['../outside', 'ab/../../outside', '', '.', '/etc/passwd', 'A'.repeat(32), `${'a'.repeat(32)}\0`])(
    'knows no blob %j',
    async (key) => {
      await writeFile(join(directory, 'outside'), 'secret');
      const store = await BlobStore.open(join(directory, 'blobs'));
      await expect(store.get(key)).rejects.toThrow(BlobNotFound);
      expect(await store.delete(key)).toBe(false);
    },
  );

  it('removes what is older than a moment, counts what stays, and touches nothing else', async () => {
    const store = await BlobStore.open(directory);
    const [old, young] = [await store.stage(chunks('old')), await store.stage(chunks('young'))];
    for (const blob of [old, young]) await blob.commit();
    const staged = await store.stage(chunks('not committed yet'));
    await writeFile(join(directory, old.key.slice(0, 2), 'README'), 'not ours');
    const moment = new Date('2026-11-01T00:00:00Z');
    const hours = (count: number) => moment.getTime() / 1000 + count * 3600;
    await utimes(join(directory, old.key.slice(0, 2), old.key), hours(-1), hours(-1));
    await utimes(join(directory, young.key.slice(0, 2), young.key), hours(1), hours(1));
    await utimes(join(directory, old.key.slice(0, 2), 'README'), hours(-1), hours(-1));
    expect(await store.removeOlderThan(moment)).toEqual({ removed: 1, kept: 1, keptBytes: 5 });
    expect((await filesIn(directory)).sort()).toEqual(['README', staged.key, young.key].sort());
    expect(await store.removeOlderThan(moment)).toEqual({ removed: 0, kept: 1, keptBytes: 5 });
  });

  it('may be emptied by several replicas at once', async () => {
    const stores = [await BlobStore.open(directory), await BlobStore.open(directory)];
    for (let i = 0; i < 20; i++) await (await stores[0]?.stage(chunks(`${i}`)))?.commit();
    const found = await Promise.all(stores.map((store) => store.removeOlderThan(new Date(Date.now() + 60_000))));
    expect(found.reduce((sum, { removed }) => sum + removed, 0)).toBe(20);
    expect(await filesIn(directory)).toEqual([]);
  });

  it('removes what a dead process left half-written, and only that', async () => {
    const store = await BlobStore.open(directory);
    const dead = await store.stage(chunks('dead'));
    const alive = await store.stage(chunks('alive'));
    const twoHoursAgo = Date.now() / 1000 - 2 * 60 * 60;
    await utimes(join(directory, 'staging', dead.key), twoHoursAgo, twoHoursAgo);
    await BlobStore.open(directory);
    expect(await filesIn(directory)).toEqual([alive.key]);
  });
});
