import { callingCodeOf } from '@signalbox/twilio';

/** How much of a numbering plan a prefix covers. `block`: a thousand numbers, the unit in which carriers are given them. */
export type Level = 'block' | 'ten_thousand' | 'hundred_thousand' | 'area' | 'country';

export interface Prefix {
  readonly level: Level;
  /** `+` and digits, e.g. `+99450120` of `+99450120123`. */
  readonly prefix: string;
}

/** Shared by countries that have nothing to do with one another: never a prefix of its own. */
const sharedCallingCodes = new Set(['1', '7']);

/** Digits of the national number that name an area or a mobile network. */
const areaDigits = (callingCode: string) => (callingCode === '1' ? 3 : 2);

/** The prefixes a number counts for, narrowest first. A number whose country is unknown has its block only. */
export function prefixesOf(number: string): [Prefix, ...Prefix[]] {
  const block: Prefix = { level: 'block', prefix: blockOf(number) };
  return [block, ...prefixesAbove(block.prefix)];
}

/** The wider prefixes that a block counts for, narrowest first. */
export function prefixesAbove(block: string): Prefix[] {
  const callingCode = callingCodeOf(`${block}000`);
  if (callingCode === undefined) return [];
  const country = `+${callingCode}`;
  const wider: Prefix[] = [
    { level: 'ten_thousand', prefix: block.slice(0, -1) },
    { level: 'hundred_thousand', prefix: block.slice(0, -2) },
    { level: 'area', prefix: block.slice(0, country.length + areaDigits(callingCode)) },
  ];
  if (!sharedCallingCodes.has(callingCode)) wider.push({ level: 'country', prefix: country });
  // Short plans have fewer levels: each has to be wider than the one before.
  const levels: Prefix[] = [];
  let shortest = block.length;
  for (const entry of wider) {
    if (entry.prefix.length >= shortest || entry.prefix.length < country.length) continue;
    levels.push(entry);
    shortest = entry.prefix.length;
  }
  return levels;
}

/** A number without its last three digits. */
export function blockOf(number: string): string {
  return number.slice(0, -3);
}

/** The thousand numbers before and behind a block; as long as it is. */
export function blocksBeside(block: string): string[] {
  const digits = block.slice(1);
  return [BigInt(digits || 0) - 1n, BigInt(digits || 0) + 1n]
    .map((beside) => `+${beside}`)
    .filter((beside) => beside.length === block.length);
}

/** Where an address came from, for counting: an IPv6 subscriber has a whole /64. */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = ip.toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array.from({ length: missing }, () => '0'), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
