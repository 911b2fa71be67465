import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes the table of time zones by number from libphonenumber's `resources/timezones/map_data.txt` (lines of
 * `prefix|zone&zone`): node tools/phone-zones.ts map_data.txt
 */
const source = process.argv[2];
if (!source) throw new Error('which map_data.txt?');

const byPrefix = new Map(
  readFileSync(source, 'utf8')
    .split('\n')
    .filter((line) => /^\d+\|/.test(line))
    .map((line) => line.trim().split('|') as [string, string]),
);

/**
 * North American numbers move inside their area and mobile ones never had a place in it, so an area over two zones counts
 * as both, whatever the exchange. Overlays are in the area of the code they were added to. Source: NANPA.
 */
const overlays: Readonly<Record<string, string>> = {
  1236: '1250',
  1257: '1250',
  1364: '1270',
  1367: '1418',
  1458: '1541',
  1581: '1418',
  1672: '1250',
  1778: '1250',
  1930: '1812',
  1986: '1208',
};
const zonesOfArea = new Map<string, Set<string>>();
for (const [prefix, zones] of byPrefix) {
  if (!/^1\d{3}/.test(prefix)) continue;
  const area = prefix.slice(0, 4);
  zonesOfArea.set(area, new Set([...(zonesOfArea.get(area) ?? []), ...zones.split('&')]));
  if (prefix.length > 4) byPrefix.delete(prefix);
}
for (const [area, zones] of zonesOfArea) {
  const all = new Set([...zones, ...(zonesOfArea.get(overlays[area] ?? area) ?? [])]);
  byPrefix.set(area, [...all].sort().join('&'));
}

/** A prefix that says what a shorter one says already is left out. */
const saysMore = ([prefix, zones]: [string, string]) => {
  for (let length = prefix.length - 1; length > 0; length--) {
    const shorter = byPrefix.get(prefix.slice(0, length));
    if (shorter !== undefined) return shorter !== zones;
  }
  return true;
};

const prefixesOf = new Map<string, string[]>();
for (const [prefix, zones] of [...byPrefix].filter(saysMore)) {
  prefixesOf.set(zones, [...(prefixesOf.get(zones) ?? []), prefix]);
}

const lines = [...prefixesOf]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([zones, prefixes]) => `  ['${zones}', '${prefixes.sort().join(' ')}'],`);
const text = `/**
 * Time zones of phone numbers: the zones (joined by &), then the beginnings of the numbers that are in them.
 * Made by tools/phone-zones.ts; source: libphonenumber, resources/timezones (Apache-2.0).
 */
// prettier-ignore
export const phoneZones: readonly (readonly [zones: string, prefixes: string])[] = [
${lines.join('\n')}
];
`;
writeFileSync(join(import.meta.dirname, '../apps/messaging-svc/src/schedule/phone-zones.data.ts'), text);
