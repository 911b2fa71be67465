import { afterEach, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '../eventually.ts';
import { startTimeOf } from './process-table.ts';
import { supervise, type Supervised } from './supervisor.ts';

let supervised: Supervised | undefined;
let directory: string;
afterEach(async () => {
  await supervised?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a script under supervision; it is ready when it has written its process id to a file. */
async function run(script: string, onLine: (line: string) => void = () => undefined): Promise<{ starts: number[] }> {
  directory = await mkdtemp(path.join(tmpdir(), 'supervisor-'));
  const starts: number[] = [];
  supervised = await supervise({
    name: 'example',
    command: process.execPath,
    args: ['-e', script, path.join(directory, 'ready')],
    env: {},
    logFile: path.join(directory, 'log'),
    probe: async () => {
      if ((await readFile(path.join(directory, 'ready'), 'utf8')) !== String(starts.at(-1)))
        throw new Error('not ready');
    },
    onStart: async (pid) => void starts.push(pid),
    onLine,
  });
  return { starts };
}

const ready = `require('node:fs').writeFileSync(process.argv[1], String(process.pid));`;
const stay = 'setInterval(() => {}, 1000);';

it('starts a process again that was killed, and tells its new id', async () => {
  const lines: string[] = [];
  const { starts } = await run(ready + stay, (line) => lines.push(line));
  const first = supervised?.pid;
  await supervised?.kill();
  await eventually(() => expect(lines.at(-1)).toMatch(/ready again/));
  expect(starts).toEqual([first, supervised?.pid]);
  expect(supervised?.pid).not.toBe(first);
  expect(lines[0]).toBe('example ended (SIGKILL); starting it again');
});

it('starts a process again that was asked to end, and tells how it ended', async () => {
  const lines: string[] = [];
  await run(`process.on('SIGTERM', () => process.exit(7)); ${ready}${stay}`, (line) => lines.push(line));
  expect(await supervised?.terminate()).toEqual({ code: 7, signal: null });
  await eventually(() => expect(lines.at(-1)).toMatch(/ready again/));
});

it('pauses longer each time it dies before it was ready', async () => {
  const lines: string[] = [];
  // Only its first start, when nothing is there yet, gets as far as being ready.
  const { starts } = await run(
    `if (require('node:fs').existsSync(process.argv[1])) process.exit(3); ${ready + stay}`,
    (line) => lines.push(line),
  );
  await supervised?.kill();
  await eventually(() => expect(lines.length).toBeGreaterThanOrEqual(4));
  expect(lines.slice(0, 4)).toEqual([
    'example ended (SIGKILL); starting it again',
    'example ended (exit code 3); starting it again in 0.1 s',
    'example ended (exit code 3); starting it again in 0.2 s',
    'example ended (exit code 3); starting it again in 0.4 s',
  ]);
  expect(starts.length).toBeGreaterThanOrEqual(4);
});

it('stops for good, with all that the process started', async () => {
  await run(
    `const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(stay)}]);
     console.log(child.pid); ${ready + stay}`,
  );
  const grandchild = Number(await readFile(path.join(directory, 'log'), 'utf8'));
  expect(await startTimeOf(grandchild)).toBeDefined();
  const leader = supervised?.pid ?? 0;
  await supervised?.stop();
  expect(await startTimeOf(leader)).toBeUndefined();
  await eventually(async () => expect(await startTimeOf(grandchild)).toBeUndefined());
});

it('shows the end of the log when it never becomes ready', async () => {
  await expect(run(`console.error('the database is on fire'); process.exit(1);`)).rejects.toThrow(
    /example ended with exit code 1 before it was ready[^]*the database is on fire/,
  );
});
