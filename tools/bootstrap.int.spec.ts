import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

// The script runs in a clone of its own, with a PATH that holds nothing but what a case puts there. npm is a stand-in
// that notes its calls and "installs" the Node that runs this test.
let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'bootstrap-'));
  for (const folder of ['bin', 'clone/tools', 'clone/node_modules'])
    mkdirSync(path.join(home, folder), { recursive: true });
  cpSync(path.join(import.meta.dirname, 'bootstrap.sh'), path.join(home, 'clone/tools/bootstrap.sh'));
  writeFileSync(path.join(home, 'clone/package-lock.json'), '{}');
  program(
    'npm',
    `echo "$1" >>"${home}/npm-calls"
     [ "$1" = install ] || exit 0
     mkdir -p node_modules/.bin && ln -s "${process.execPath}" node_modules/.bin/node`,
  );
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const program = (name: string, script: string) => {
  writeFileSync(path.join(home, 'bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(home, 'bin', name), 0o755);
};
const tooOld = () => program('node', '[ "$1" = --version ] && echo v20.1.0 && exit 0; exit 1');
const good = () => symlinkSync(process.execPath, path.join(home, 'bin/node'));

function bootstrap(...command: string[]) {
  const env = { PATH: `${home}/bin:/usr/bin:/bin`, HOME: home, SIGNALBOX_CACHE: path.join(home, 'cache') };
  const result = spawnSync('/bin/sh', [path.join(home, 'clone/tools/bootstrap.sh'), ...command], {
    env,
    encoding: 'utf8',
  });
  const calls = () => readFileSync(path.join(home, 'npm-calls'), 'utf8').trim().split('\n');
  return { ...result, npmCalls: calls() };
}

it('uses a good Node that is on the PATH', () => {
  good();
  const { stdout, npmCalls } = bootstrap();
  expect(stdout.trim()).toBe(path.join(home, 'bin'));
  expect(npmCalls).toEqual(['ci']);
});

it('fetches one, once, when the Node on the PATH is too old', () => {
  tooOld();
  const first = bootstrap();
  expect(first.stdout.trim()).toBe(path.join(home, 'cache/node-24/node_modules/.bin'));
  expect(first.stderr).toMatch(/v20\.1\.0.* does not suit/);
  expect(bootstrap().npmCalls).toEqual(['install', 'ci']);
});

it('runs a command on that Node', () => {
  tooOld();
  expect(bootstrap('node', '-p', 'process.version').stdout.trim()).toBe(process.version);
});

it('installs the dependencies again only when the lock file has changed', () => {
  good();
  bootstrap();
  expect(bootstrap().npmCalls).toEqual(['ci']);
  writeFileSync(path.join(home, 'clone/package-lock.json'), '{"changed": true}');
  expect(bootstrap().npmCalls).toEqual(['ci', 'ci']);
});
