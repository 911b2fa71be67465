import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { StagedBlob } from '@signalbox/blob-store';
import type { Part } from './multipart.ts';

export type Stage = (source: AsyncIterable<Uint8Array>) => Promise<StagedBlob>;

export interface PostedField {
  /** All of the field, unless it has a blob. */
  readonly head: Buffer;
  /** All of a field that is too large to hold. */
  readonly blob: StagedBlob | undefined;
}

export interface PostedFile {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string;
  readonly blob: StagedBlob;
}

/** What Inbound Parse posted, undecoded. */
export interface PostedEmail {
  readonly fields: ReadonlyMap<string, PostedField>;
  readonly attachments: readonly PostedFile[];
  /** The raw option: the MIME source, and as much of it as its headers need. */
  readonly mime: { readonly head: Buffer; readonly blob: StagedBlob } | undefined;
  /** Lower-case hex, of the content whatever the order of its parts; the same when the email is posted again. */
  readonly digest: string;
}

/** Held in memory of one field, and of all fields of one email. */
const fieldBytes = 256 * 1024;
const memoryBytes = 1024 * 1024;
const mimeHeadBytes = 64 * 1024;

/** Takes parts as they come: fields are held as far as they are small, everything else goes to the blob store. */
export class PostedEmailReader {
  readonly #fields = new Map<string, PostedField>();
  readonly #attachments: PostedFile[] = [];
  readonly #digests: string[] = [];
  readonly #stage: Stage;
  #mime: PostedEmail['mime'];
  #memory = memoryBytes;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async take({ name, filename, contentType, content }: Part): Promise<void> {
    if (name === 'email' && !this.#mime) {
      const { head, blob } = await this.#stageWithHead(content);
      this.#mime = { head, blob };
      this.#digests.push(`${name}:${blob.sha256}`);
    } else if (filename !== undefined || /^attachment\d+$/.test(name)) {
      const blob = await this.#stage(content);
      this.#attachments.push({ name, filename, contentType, blob });
      this.#digests.push(`${name}:${blob.sha256}`);
    } else if (!this.#fields.has(name)) {
      const field = await this.#readField(content);
      this.#fields.set(name, field);
      this.#digests.push(`${name}:${field.blob?.sha256 ?? sha256(field.head)}`);
    }
  }

  end(): PostedEmail {
    return {
      fields: this.#fields,
      attachments: this.#attachments,
      mime: this.#mime,
      digest: sha256(this.#digests.sort().join('\n')),
    };
  }

  async #readField(content: Readable): Promise<PostedField> {
    const limit = Math.min(fieldBytes, this.#memory);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > limit) break;
    }
    const head = Buffer.concat(chunks).subarray(0, limit);
    this.#memory -= head.length;
    return { head, blob: bytes > limit ? await this.#stage(concat(chunks, content)) : undefined };
  }

  async #stageWithHead(content: Readable): Promise<{ head: Buffer; blob: StagedBlob }> {
    const head: Buffer[] = [];
    let bytes = 0;
    async function* tapped() {
      for await (const chunk of content as AsyncIterable<Buffer>) {
        if (bytes < mimeHeadBytes) head.push(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
    const blob = await this.#stage(tapped());
    return { head: Buffer.concat(head).subarray(0, mimeHeadBytes), blob };
  }
}

async function* concat(first: Iterable<Buffer>, rest: Readable): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest as AsyncIterable<Buffer>;
}

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
