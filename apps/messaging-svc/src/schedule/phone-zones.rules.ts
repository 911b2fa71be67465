import { phoneZones } from './phone-zones.data.ts';

const zonesByPrefix: ReadonlyMap<string, readonly string[]> = new Map(
  phoneZones.flatMap(([zones, prefixes]) => {
    const all = zones.split('&');
    return prefixes.split(' ').map((prefix) => [prefix, all] as const);
  }),
);

/** Numbers of no country, like satellite phones: their zone cannot be told from the number. */
const nowhere: readonly string[] = ['Etc/UTC'];

/**
 * The IANA time zones a number may be in: of its area where the plan says so, else of its whole country (+1 without a
 * known area code: all of North America).
 */
export function zonesOfNumber(address: string): readonly string[] {
  const digits = address.replace(/^(whatsapp:)?\+/, '');
  for (let length = Math.min(digits.length, longestPrefix); length > 0; length--) {
    const zones = zonesByPrefix.get(digits.slice(0, length));
    if (zones) return zones;
  }
  return nowhere;
}

const longestPrefix = Math.max(...[...zonesByPrefix.keys()].map((prefix) => prefix.length));
