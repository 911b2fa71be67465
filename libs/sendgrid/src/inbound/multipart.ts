import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';

export interface Part {
  readonly name: string;
  /** Without a path. */
  readonly filename: string | undefined;
  /** Without parameters. */
  readonly contentType: string;
  /** Raw bytes; fails when the request ends before the part does. */
  readonly content: Readable;
}

export interface MultipartLimits {
  /** Of the whole body. */
  readonly maxBytes: number;
  readonly maxParts: number;
}

export type MultipartFault = 'not_multipart' | 'malformed' | 'too_large' | 'too_many_parts' | 'aborted';

/** A field name of SendGrid's is a short word; another one would only blow up the record. */
const nameForm = /^[\w-]{1,64}$/;

export interface MultipartConsumer {
  /** Each chunk of the body, in order, before it is parsed. */
  chunk(bytes: Uint8Array): void;
  /** Consumes the part's content, or leaves it; the next part waits for it. */
  part(part: Part): Promise<void>;
}

/**
 * Reads `multipart/form-data` as it comes, one part at a time, no faster than parts are consumed. Every part is a stream of
 * bytes, fields too, because what charset they have is only known at the end.
 * The body is never destroyed: an answer may have to go out on its connection.
 * @throws what the consumer throws
 */
export async function readMultipart(
  body: Readable,
  contentType: string,
  { maxBytes, maxParts }: MultipartLimits,
  consumer: MultipartConsumer,
): Promise<MultipartFault | undefined> {
  const parser = openParser(contentType, maxParts);
  if (!parser) return 'not_multipart';

  let fault: MultipartFault | undefined;
  let failure: { readonly error: unknown } | undefined;
  const finished = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const contents = new Set<Readable>();
  const fail = (why: MultipartFault) => {
    fault ??= why;
    stopped.resolve();
  };

  let work = Promise.resolve();
  parser.on('file', (name: string | undefined, content, filename: string | undefined, _encoding, type) => {
    // The consumer hears of an error as well; a part nobody has begun to read must not crash the process.
    content.on('error', () => undefined);
    contents.add(content);
    if (name === undefined || !nameForm.test(name)) {
      fail('malformed');
      content.resume();
      return;
    }
    work = work.then(async () => {
      if (fault || failure) return;
      try {
        await consumer.part({ name, filename, contentType: type, content });
        content.resume();
      } catch (error) {
        // A part that breaks off fails its consumer too, but that is the sender's doing.
        if (!fault) failure = { error };
        stopped.resolve();
      }
    });
  });
  parser.on('filesLimit', () => fail('too_many_parts'));
  parser.on('error', () => fail('malformed'));
  parser.on('finish', finished.resolve);

  let bytes = 0;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) fail('too_large');
      if (fault || failure) break;
      consumer.chunk(chunk);
      if (!parser.write(chunk)) await Promise.race([drained(parser), stopped.promise]);
    }
  } catch {
    fail('aborted');
  }
  if (!fault && !failure) {
    parser.end();
    await Promise.race([finished.promise, stopped.promise]);
  }
  if (fault || failure) for (const content of contents) content.destroy(new Error('the request is refused'));
  await work;
  if (fault) return fault;
  if (failure) throw failure.error;
  return undefined;
}

function openParser(contentType: string, maxParts: number) {
  // The library would read a urlencoded form as well.
  if (!/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: () => true,
      limits: { files: maxParts, headerPairs: 20, headerSize: 16 * 1024 },
    });
  } catch {
    return undefined;
  }
}

function drained(parser: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => parser.once('drain', resolve));
}
