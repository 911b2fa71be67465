/**
 * Rebuilds the URL that Twilio called and signed from the request target as it was received, byte for byte. Scheme, host
 * and port are what the configured base URL says: a proxy changes them on the way, and a `Host` header is the sender's to choose.
 */
export class PublicUrl {
  readonly #origin: string;
  /** Path of the base URL, without a slash at its end; empty when it has none. */
  readonly basePath: string;

  constructor(baseUrl: string) {
    // Not URL.origin, which would lower-case the host and drop a default port: Twilio signs what it was given.
    const [, origin = '', path = ''] = /^([^/]*\/\/[^/]*)(.*)$/.exec(baseUrl) ?? [];
    this.#origin = origin;
    this.basePath = path.replace(/\/+$/, '');
  }

  /** @param target the raw request target; with the base path when the proxy keeps it, without when the proxy strips it */
  of(target: string): string {
    return target.startsWith(`${this.basePath}/`) ? this.#origin + target : this.#origin + this.basePath + target;
  }
}

/** What the headers of a request say about where it was sent. Anybody's to choose, so for diagnosis only. */
export function claimedUrls(
  target: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): string[] {
  const hosts = [headers['x-forwarded-host'], headers['host']].filter((host) => typeof host === 'string');
  return hosts.map((host) => `https://${host}${target}`);
}
