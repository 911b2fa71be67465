import { Readable, Transform } from 'node:stream';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Tenant } from '@signalbox/tenants';
import { Agent, type Dispatcher, request } from 'undici';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { kindOfAddress, listOf } from '../session/address.rules.ts';
import { checkedAgent } from '../session/checked-agent.ts';
import { rangeOf } from './range.rules.ts';
import { movedTo } from './redirect.rules.ts';

/** What is handed on to who may hear it. */
export interface Sound {
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

export type MediaAnswer =
  | { readonly kind: 'sound'; readonly sound: Sound }
  | { readonly kind: 'gone' | 'unsatisfiable'; readonly status: number }
  | { readonly kind: 'failed'; readonly status: number; readonly why?: string };

const nothingPrivate = listOf([]);

/**
 * The sound of recordings, straight from the provider with the tenant's credentials. The address is made here and not taken
 * from a callback, so that nobody can send us, and the credentials, anywhere else.
 */
@Injectable()
export class RecordingMedia implements OnApplicationShutdown {
  readonly #config: VoiceConfig;
  readonly #agent = new Agent({ connections: 50, connect: { timeout: 5_000 } });
  /** For where the provider sends us: a name of its that leads inside is not followed either. */
  readonly #elsewhere = checkedAgent((address) => kindOfAddress(address, nothingPrivate) === 'public');

  constructor(@Inject(CONFIG) config: VoiceConfig) {
    this.#config = config;
  }

  /** @param range of the request; a provider that does not know ranges is asked for the whole, and cut here */
  async open(
    { twilio: account }: Tenant,
    recordingSid: string,
    extension: 'wav' | 'mp3',
    range: string | undefined,
  ): Promise<MediaAnswer> {
    const base = account.baseUrl ?? `https://${apiHost(account)}`;
    const url = `${base.replace(/\/+$/, '')}/2010-04-01/Accounts/${account.accountSid}/Recordings/${recordingSid}.${extension}`;
    const credentials = Buffer.from(`${account.apiKey.sid}:${account.apiKey.secret}`).toString('base64');
    const first = await request(url, {
      dispatcher: this.#agent,
      headers: { authorization: `Basic ${credentials}`, ...(range && { range }) },
      headersTimeout: this.#config.PROVIDER_TIMEOUT_MS,
    });
    const location = first.headers['location'];
    if (first.statusCode < 300 || first.statusCode >= 400 || typeof location !== 'string') return handOn(first, range);
    await first.body.dump();
    const moved = movedTo(location, url, this.#config.RECORDING_MEDIA_HOSTS);
    if (!moved) {
      const why = 'it was moved to a place that is not among RECORDING_MEDIA_HOSTS';
      return { kind: 'failed', status: first.statusCode, why };
    }
    // The media may lie elsewhere; the credentials are not for there. What has moved once more is not followed.
    const second = await request(moved.url, {
      dispatcher: moved.isHome ? this.#agent : this.#elsewhere,
      headers: range ? { range } : {},
      headersTimeout: this.#config.PROVIDER_TIMEOUT_MS,
    });
    return handOn(second, range);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#elsewhere.destroy()]);
  }
}

async function handOn(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  range: string | undefined,
): Promise<MediaAnswer> {
  if (statusCode === 206) {
    const handed = { ...typeOf(headers), ...pick(headers, 'content-length'), ...pick(headers, 'content-range') };
    return { kind: 'sound', sound: { status: 206, headers: handed, body } };
  }
  if (statusCode !== 200) {
    await body.dump();
    if (statusCode === 404 || statusCode === 410) return { kind: 'gone', status: statusCode };
    return { kind: statusCode === 416 ? 'unsatisfiable' : 'failed', status: statusCode };
  }
  const size = Number(headers['content-length']);
  const part = Number.isInteger(size) ? rangeOf(range, size) : undefined;
  if (part === 'unsatisfiable') {
    body.destroy();
    return { kind: 'unsatisfiable', status: 416 };
  }
  if (part === undefined) {
    const handed = { ...typeOf(headers), ...pick(headers, 'content-length') };
    return { kind: 'sound', sound: { status: 200, headers: handed, body } };
  }
  const handed = {
    ...typeOf(headers),
    'content-length': String(part.end - part.start + 1),
    'content-range': `bytes ${part.start}-${part.end}/${size}`,
  };
  return { kind: 'sound', sound: { status: 206, headers: handed, body: cut(body, part.start, part.end) } };
}

/** Where the account's recordings are, as Twilio's SDK makes its host names of region and edge. */
export function apiHost({ region, edge }: Pick<Tenant['twilio'], 'region' | 'edge'>): string {
  const parts = ['api', edge, region ?? (edge === undefined ? undefined : 'us1'), 'twilio.com'];
  return parts.filter((part) => part !== undefined).join('.');
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function pick(headers: Headers, name: string): Record<string, string> {
  const value = headers[name];
  return typeof value === 'string' ? { [name]: value } : {};
}

const typeOf = (headers: Headers) => ({ 'content-type': 'application/octet-stream', ...pick(headers, 'content-type') });

/** Lets the bytes from `start` to `end` through, and stops the source after them. */
function cut(source: Readable, start: number, end: number): Readable {
  let at = 0;
  const knife = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const from = Math.max(0, start - at);
      const to = Math.min(chunk.length, end + 1 - at);
      at += chunk.length;
      if (to > from) this.push(chunk.subarray(from, to));
      if (at > end) {
        this.push(null);
        source.destroy();
      }
      done();
    },
  });
  source.on('error', (error) => {
    if (at <= end) knife.destroy(error);
  });
  // Who hangs up in the middle must not keep a connection to the provider: one that nobody reads never times out.
  knife.once('close', () => source.destroy());
  return source.pipe(knife);
}
