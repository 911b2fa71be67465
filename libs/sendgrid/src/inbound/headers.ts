/**
 * The value of a header, the first where there are several; for Message-ID only what stands in its angle brackets, with them.
 * @param source RFC 5322 header lines, maybe with a body after them
 */
export function findHeader(source: string, name: string): string | undefined {
  const end = /\r?\n\r?\n/.exec(source)?.index ?? source.length;
  const prefix = `${name.toLowerCase()}:`;
  const line = source
    .slice(0, end)
    .replaceAll(/\r?\n(?=[ \t])/g, '')
    .split(/\r?\n/)
    .find((candidate) => candidate.slice(0, prefix.length).toLowerCase() === prefix);
  const value = line?.slice(prefix.length).trim();
  if (!value) return undefined;
  return name === 'message-id' ? (/<[^<>\s]+>/.exec(value)?.[0] ?? value) : value;
}

/** The first address of an address header: `Ann <a@example.com>, …` or `a@example.com`. */
export function addressOf(header: string): string | undefined {
  const head = header.slice(0, 1000);
  return /<([^<>\s]+@[^<>\s]+)>/.exec(head)?.[1] ?? /[^\s<>,;"]+@[^\s<>,;"]+/.exec(head)?.[0];
}
