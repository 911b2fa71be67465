/** Header fields by lower-case name, each with its values in their order. */
export type Headers = ReadonlyMap<string, readonly string[]>;

/** More is no header of an email; what comes after is not looked at. */
const maxLines = 2_000;

/** Reads RFC 5322 header lines, unfolded, up to an empty line; what is no header line is left out. */
export function readHeaders(source: string): Headers {
  const headers = new Map<string, string[]>();
  const end = /\r?\n\r?\n/.exec(source)?.index ?? source.length;
  const lines = source
    .slice(0, end)
    .replaceAll(/\r?\n(?=[ \t])/g, '')
    .split(/\r?\n/, maxLines);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (!/^[!-9;-~]+$/.test(name)) continue;
    const values = headers.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    headers.set(name, values);
  }
  return headers;
}

export function first(headers: Headers, name: string): string | undefined {
  return headers.get(name)?.[0];
}

/** Message ids without their brackets, the nearest first: what is answered, then the thread from its end. */
export function answeredIds(headers: Headers): string[] {
  const replied = idsIn(first(headers, 'in-reply-to'));
  const thread = idsIn(first(headers, 'references')).reverse();
  return [...new Set([...replied, ...thread])].slice(0, maxAnswered);
}

/** A thread grows by one with every answer; what is further back says little of what is answered. */
const maxAnswered = 20;

function idsIn(header: string | undefined): string[] {
  return [...(header ?? '').slice(0, 10_000).matchAll(/<([^<>\s]{1,500})>/g)].flatMap(([, id]) => id ?? []);
}
