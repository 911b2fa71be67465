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
