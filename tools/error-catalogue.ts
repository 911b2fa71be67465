/**
 * Generates the page of Twilio's error codes, `docs/runbooks/twilio/README.md`, from the catalogue in `libs/twilio`.
 *
 *   node tools/error-catalogue.ts           writes it
 *   node tools/error-catalogue.ts --check   fails when it is out of date, or a runbook is about no code of the catalogue
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format } from 'prettier';
import { catalogue } from '../libs/twilio/src/error-catalogue.ts';
import { cataloguePage, runbookFaults } from './error-catalogue/catalogue-page.ts';

const folder = 'docs/runbooks/twilio';
const directory = join(import.meta.dirname, '..', folder);
const { values: options } = parseArgs({ options: { check: { type: 'boolean' } } });

const errors = [...catalogue.values()];
const runbooks = new Map(
  readdirSync(directory)
    .filter((name) => name !== 'README.md')
    .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
);
const page = await format(cataloguePage(errors, runbooks), { parser: 'markdown', printWidth: 120 });

if (options.check) {
  const faults = runbookFaults(errors, runbooks);
  if (readFileSync(join(directory, 'README.md'), 'utf8') !== page) {
    faults.push('README.md is out of date: run make contracts');
  }
  for (const fault of faults) console.error(`${folder}/${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  else console.log(`error catalogue: ${errors.length} codes, ${runbooks.size} runbooks up to date`);
} else {
  writeFileSync(join(directory, 'README.md'), page);
  console.log(`error catalogue: wrote ${folder}/README.md`);
}
