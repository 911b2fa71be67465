/** A host name, or all below one: `*.twilio.com`; not all below `com`. */
export const hostPattern = /^(?!\*\.[^.]+$)(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/;

export interface Moved {
  readonly url: URL;
  /** Still where the recording was asked for, which is configured and not told by anybody. */
  readonly isHome: boolean;
}

/**
 * Where the sound of a recording may be fetched when the provider says that it has moved; undefined for anywhere else. Who could
 * answer in the provider's place must not lead us inside our own network, or to a host that only serves to be asked.
 *
 * @param asked the URL that was answered with `location`
 * @param hosts patterns as of `hostPattern`; there only https, and on its own port
 */
export function movedTo(location: string, asked: string, hosts: readonly string[]): Moved | undefined {
  const home = new URL(asked);
  if (!URL.canParse(location, asked)) return undefined;
  const url = new URL(location, asked);
  if (url.username || url.password) return undefined;
  if (url.origin === home.origin) return { url, isHome: true };
  const isKnown = hosts.some((pattern) =>
    pattern.startsWith('*.') ? url.hostname.endsWith(pattern.slice(1)) : url.hostname === pattern,
  );
  return isKnown && url.protocol === 'https:' && url.port === '' ? { url, isHome: false } : undefined;
}
