import { counter, type Logger } from '@signalbox/telemetry';
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { OidcIssuer } from './issuer.ts';

/** The keys of an issuer cannot be had, so that nothing can be said of its tokens. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface KeyTimes {
  /** When keys are fetched anew, so that one the issuer has withdrawn does not count for much longer. */
  readonly refreshAfterMs: number;
  /** How long they count while the issuer cannot be reached. */
  readonly keepForMs: number;
  /** How long the issuer is left alone after it was asked for a key it does not have. */
  readonly cooldownMs: number;
  /** How long it is left alone after it could not be reached. */
  readonly retryAfterMs: number;
  readonly timeoutMs: number;
}

export const keyTimes: KeyTimes = {
  refreshAfterMs: 5 * 60_000,
  keepForMs: 24 * 60 * 60_000,
  cooldownMs: 10_000,
  retryAfterMs: 5_000,
  timeoutMs: 5_000,
};

const fetches = counter('signalbox_oidc_key_fetches_total', 'Fetches of the keys of OIDC issuers', [
  'issuer',
  'result',
]);

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/**
 * The public keys of one issuer: fetched when the first token comes, kept, fetched anew from time to time and when a token has
 * a key that is not among them. While the issuer is away those we have go on to count.
 */
export class IssuerKeys {
  /** Seconds after which it makes sense to come again, when keys cannot be had. */
  readonly retryAfterSeconds: number;
  readonly #set: ReturnType<typeof createRemoteJWKSet>;
  #fetchedAt = 0;
  #failedAt = 0;
  #failure: unknown;

  constructor(
    private readonly issuer: Pick<OidcIssuer, 'issuer' | 'jwksUrl'>,
    /** Undefined before there is a log. */
    private readonly log: () => Logger | undefined,
    private readonly times: KeyTimes = keyTimes,
  ) {
    this.retryAfterSeconds = Math.ceil(times.retryAfterMs / 1000);
    this.#set = createRemoteJWKSet(new URL(issuer.jwksUrl ?? issuer.issuer), {
      cacheMaxAge: times.keepForMs,
      cooldownDuration: times.cooldownMs,
      timeoutDuration: times.timeoutMs,
      [customFetch]: (_url, init) => this.#fetch(init),
    });
  }

  /**
   * The key a token says it is signed with.
   * @throws KeysUnavailable; JWKSNoMatchingKey and other JOSEErrors when the token is to blame
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    await this.#refresh();
    try {
      return await this.#set(header, token);
    } catch (error) {
      if (tokenFaults.some((fault) => error instanceof fault)) throw error;
      throw new KeysUnavailable('the keys of the issuer cannot be had', { cause: error });
    }
  };

  /** Nobody waits for an issuer that did not answer the last time. */
  async #refresh(): Promise<void> {
    if (this.#fetchedAt === 0 || Date.now() - this.#fetchedAt < this.times.refreshAfterMs) return;
    const wasAway = this.#failedAt > this.#fetchedAt;
    // Its failure is logged and counted where it happens; the keys we have go on to count.
    const reload = this.#set.reload().catch(() => undefined);
    if (!wasAway) await reload;
  }

  /** What anybody can cause with a made-up key id is one request at a time, and none for a while after one that failed. */
  async #fetch(init: RequestInit): Promise<Response> {
    if (Date.now() - this.#failedAt < this.times.retryAfterMs) throw this.#failure;
    const { issuer } = this.issuer;
    try {
      const response = await fetch(this.issuer.jwksUrl ?? (await this.#discover(init)), init);
      // Read here, so that a body that is none counts as a failure too.
      const body: unknown = response.status === 200 ? await response.json() : undefined;
      if (!isKeySet(body)) throw new Error(`no key set, but status ${response.status}`);
      this.#fetchedAt = Date.now();
      fetches.inc({ issuer, result: 'ok' });
      return Response.json(body);
    } catch (error) {
      this.#failedAt = Date.now();
      this.#failure = error;
      fetches.inc({ issuer, result: 'failed' });
      this.log()?.warn({ err: error, issuer }, 'keys of the OIDC issuer could not be fetched');
      throw error;
    }
  }

  /** Source: OpenID Connect Discovery 1.0, §4; the document has to be that of the issuer (§4.3). */
  async #discover(init: RequestInit): Promise<string> {
    const { issuer } = this.issuer;
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, init);
    if (response.status !== 200) throw new Error(`no discovery document, but status ${response.status}`);
    const document = discovery.parse(await response.json());
    if (document.issuer !== issuer) throw new Error('the discovery document is that of another issuer');
    if (issuer.startsWith('https:') && !document.jwks_uri.startsWith('https:'))
      throw new Error('the discovery document names keys without https');
    return document.jwks_uri;
  }
}

const tokenFaults = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported] as const;

function isKeySet(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Array.isArray((body as { keys?: unknown }).keys);
}
