/**
 * Generates `docs/contracts/` from `libs/contracts`.
 *
 *   node tools/contracts.ts                      writes the files
 *   node tools/contracts.ts --check [--base REF] fails when they are out of date, or when the contracts break somebody
 *                                                against REF (default: the merge base with main; on main its parent)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AsyncApi } from './contracts/asyncapi.ts';
import { breakingChanges } from './contracts/compatibility.ts';
import { generate } from './contracts/generate.ts';

const root = join(import.meta.dirname, '..');
const folder = 'docs/contracts';
const { values: options } = parseArgs({ options: { check: { type: 'boolean' }, base: { type: 'string' } } });
const files = generate();

if (options.check) {
  const faults = [...drift(), ...breaks()];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
  else console.log(`contracts: ${files.size} files up to date`);
} else {
  rmSync(join(root, folder), { recursive: true, force: true });
  for (const [name, content] of files) {
    const path = join(root, folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  console.log(`contracts: wrote ${files.size} files to ${folder}`);
}

function drift(): string[] {
  const there = new Map(
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(join(root, folder).length + 1), readFileSync(path, 'utf8')]),
  );
  const names = [...new Set([...files.keys(), ...there.keys()])].sort();
  return names
    .filter((name) => files.get(name) !== there.get(name))
    .map((name) => `${folder}/${name} is out of date: run make contracts`);
}

function breaks(): string[] {
  const base = options.base ?? defaultBase();
  const document = base === undefined ? undefined : git('show', `${base}:${folder}/asyncapi.json`);
  if (document === undefined) {
    if (options.base !== undefined) return [`no ${folder}/asyncapi.json at ${options.base}`];
    console.log('contracts: no earlier generation to compare with, so nothing can be broken');
    return [];
  }
  const now = JSON.parse(files.get('asyncapi.json') ?? '') as AsyncApi;
  return breakingChanges(JSON.parse(document) as AsyncApi, now).map(
    (fault) => `breaks the contract of ${base}: ${fault}`,
  );
}

function defaultBase(): string | undefined {
  const main = ['origin/main', 'main'].find((ref) => git('rev-parse', '--verify', '--quiet', ref) !== undefined);
  const mergeBase = main && git('merge-base', 'HEAD', main);
  // On main itself the merge base is what is being checked, so its parent is the last generation that others saw.
  return mergeBase === git('rev-parse', 'HEAD')
    ? (git('rev-parse', '--verify', '--quiet', 'HEAD^') ?? mergeBase)
    : mergeBase;
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 << 20,
    }).trim();
  } catch {
    return undefined;
  }
}
