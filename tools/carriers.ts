import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes the table of carriers by number from libphonenumber's `resources/carrier/en/` (files of lines
 * `prefix|carrier`): node tools/carriers.ts resources/carrier/en
 */
const source = process.argv[2];
if (!source) throw new Error('which directory?');

const byPrefix = new Map(
  readdirSync(source)
    .flatMap((file) => readFileSync(join(source, file), 'utf8').split('\n'))
    .filter((line) => /^\d+\|./.test(line))
    .map((line) => line.trim().split('|') as [string, string]),
);

/** A prefix that says what a shorter one says already is left out. */
const saysMore = ([prefix, carrier]: [string, string]) => {
  for (let length = prefix.length - 1; length > 0; length--) {
    const shorter = byPrefix.get(prefix.slice(0, length));
    if (shorter !== undefined) return shorter !== carrier;
  }
  return true;
};

const prefixesOf = new Map<string, string[]>();
for (const [prefix, carrier] of [...byPrefix].filter(saysMore)) {
  prefixesOf.set(carrier, [...(prefixesOf.get(carrier) ?? []), prefix]);
}

const quoted = (text: string) => (text.includes("'") ? JSON.stringify(text) : `'${text}'`);
const lines = [...prefixesOf]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([carrier, prefixes]) => `  [${quoted(carrier)}, '${prefixes.sort().join(' ')}'],`);

writeFileSync(
  join(import.meta.dirname, '../apps/messaging-svc/src/analytics/carriers.data.ts'),
  `/**
 * Carriers of mobile numbers: the name, then the beginnings of the numbers it was given. libphonenumber does not list the
 * US and Canada. Made by tools/carriers.ts; source: libphonenumber, resources/carrier/en (Apache-2.0).
 */
// prettier-ignore
export const carriers: readonly (readonly [carrier: string, prefixes: string])[] = [
${lines.join('\n')}
];
`,
);
