import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from '@signalbox/blob-store';
import { counter, gauge, type Logger } from '@signalbox/telemetry';

const removed = counter('signalbox_blobs_removed_total', 'Attachments removed because of their age');
const kept = gauge('signalbox_blobs', 'Attachments in the blob store, as of the last look at it');
const keptBytes = gauge('signalbox_blob_bytes', 'What they hold, in bytes');

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;

/**
 * Removes attachments by age, once an hour: those whose record has run out of its topic and its dead letters, and those
 * whose record was never published.
 */
export class BlobRetention {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    private readonly blobs: Pick<BlobStore, 'removeOlderThan'>,
    private readonly maxAgeDays: number,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the pass under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#pass();
      // Rejects when it is time to stop, which is no error.
      await sleep(hourMs, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  async #pass(): Promise<void> {
    try {
      const found = await this.blobs.removeOlderThan(new Date(Date.now() - this.maxAgeDays * dayMs));
      removed.inc(found.removed);
      kept.set(found.kept);
      keptBytes.set(found.keptBytes);
      if (found.removed > 0) this.logger.info(found, 'old attachments removed');
    } catch (error) {
      this.logger.error({ err: error }, 'attachments could not be removed; tried again in an hour');
    }
  }
}
