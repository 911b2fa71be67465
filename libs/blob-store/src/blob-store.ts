import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** Written and synced, but not yet there for {@link BlobStore.get}: that is for `commit`. */
export interface StagedBlob {
  /** 32 hex digits, ours; nothing of what a client calls its file is in it. */
  readonly key: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Makes it durable under its key. */
  commit(): Promise<void>;
  /** Removes it, committed or not; may be called again. */
  discard(): Promise<void>;
}

/** What a pass of {@link BlobStore.removeOlderThan} found. */
export interface Removal {
  readonly removed: number;
  readonly kept: number;
  readonly keptBytes: number;
}

export interface BlobStoreOptions {
  /** What one blob may have at most. Default: 64 MiB. */
  readonly maxBytes?: number;
}

export class BlobTooLarge extends Error {
  override readonly name = 'BlobTooLarge';
}

export class BlobNotFound extends Error {
  override readonly name = 'BlobNotFound';
}

const keyForm = /^[0-9a-f]{32}$/;
const shards = Array.from({ length: 256 }, (_, shard) => shard.toString(16).padStart(2, '0'));
/** What has been staged and not written to for longer was left by a process that died; clocks may differ by some of it. */
const abandonedAfterMs = 60 * 60 * 1000;

/**
 * Blobs as files of one directory, which replicas may share: `<directory>/<first two digits of the key>/<key>`.
 * A blob appears whole or not at all, and survives a power failure once it is committed.
 */
export class BlobStore {
  readonly #directory: string;
  readonly #maxBytes: number;

  private constructor(directory: string, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** Creates the directory where it is missing, and removes what dead processes left half-written. */
  static async open(directory: string, { maxBytes = 64 * 1024 * 1024 }: BlobStoreOptions = {}): Promise<BlobStore> {
    const store = new BlobStore(directory, maxBytes);
    await mkdir(store.#stagingPath(), { recursive: true });
    for (const shard of shards) await mkdir(join(directory, shard), { recursive: true });
    await syncDirectory(directory);
    await store.#sweep(Date.now() - abandonedAfterMs);
    return store;
  }

  /**
   * Writes a blob as its chunks come; never holds more of it than one.
   * @throws BlobTooLarge; whatever the source throws; an error of the file system. Nothing is left behind.
   */
  async stage(source: AsyncIterable<Uint8Array>): Promise<StagedBlob> {
    const key = randomBytes(16).toString('hex');
    const staged = this.#stagingPath(key);
    const hash = createHash('sha256');
    let bytes = 0;
    const file = await open(staged, 'wx');
    try {
      try {
        for await (const chunk of source) {
          bytes += chunk.length;
          if (bytes > this.#maxBytes) throw new BlobTooLarge(`more than ${this.#maxBytes} bytes`);
          hash.update(chunk);
          await file.writeFile(chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await remove(staged);
      throw error;
    }
    return {
      key,
      bytes,
      sha256: hash.digest('hex'),
      commit: async () => {
        await rename(staged, this.#path(key));
        await syncDirectory(this.#shard(key));
      },
      discard: async () => {
        await remove(staged);
        await remove(this.#path(key));
      },
    };
  }

  /** The content; whoever gets it reads it to its end or destroys it. @throws BlobNotFound */
  async get(key: string): Promise<Readable> {
    if (!keyForm.test(key)) throw new BlobNotFound();
    let file: FileHandle;
    try {
      file = await open(this.#path(key), 'r');
    } catch (error) {
      throw isMissing(error) ? new BlobNotFound() : error;
    }
    return file.createReadStream();
  }

  /** False when there was none. */
  async delete(key: string): Promise<boolean> {
    return keyForm.test(key) && (await remove(this.#path(key)));
  }

  /**
   * Removes every blob that was written before this moment, and what dead processes left half-written. Replicas may do so at
   * once. @throws an error of the file system; what was removed until then stays removed.
   */
  async removeOlderThan(moment: Date): Promise<Removal> {
    await this.#sweep(Date.now() - abandonedAfterMs);
    const found = { removed: 0, kept: 0, keptBytes: 0 };
    for (const shard of shards) {
      for (const name of await readdir(join(this.#directory, shard))) {
        if (!keyForm.test(name)) continue;
        const path = this.#path(name);
        const file = await statIfThere(path);
        if (!file) continue;
        if (file.mtimeMs < moment.getTime()) {
          if (await remove(path)) found.removed++;
        } else {
          found.kept++;
          found.keptBytes += file.size;
        }
      }
    }
    return found;
  }

  async #sweep(before: number): Promise<void> {
    for (const name of await readdir(this.#stagingPath())) {
      const path = this.#stagingPath(name);
      const file = await statIfThere(path);
      if (file && file.mtimeMs < before) await remove(path);
    }
  }

  #stagingPath(name = ''): string {
    return join(this.#directory, 'staging', name);
  }

  #shard(key: string): string {
    return join(this.#directory, key.slice(0, 2));
  }

  #path(key: string): string {
    return join(this.#shard(key), key);
  }
}

/** Undefined when another replica was faster to remove it. */
async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function remove(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** A new name is durable only when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
