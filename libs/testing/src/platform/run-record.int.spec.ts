import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Recorded, RunRecord } from './run-record.ts';

let directory: string;
let record: RunRecord;
let children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'run-record-'));
  record = new RunRecord(path.join(directory, 'pids'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  await rm(directory, { recursive: true, force: true });
});

function start(script = 'setInterval(() => {}, 1000)'): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ['-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
  });
  children.push(child);
  return child as ChildProcess & { pid: number };
}

it('finds and ends what a killed launcher left behind, the youngest first', async () => {
  const platform = start();
  const service = start();
  await record.add('kafka', platform.pid);
  await record.add('messaging-svc', service.pid);
  const later = new RunRecord(path.join(directory, 'pids'));
  expect(await later.stopAll()).toEqual(['messaging-svc', 'kafka']);
  await Promise.all([platform, service].map(async (child) => child.signalCode ?? once(child, 'exit')));
  expect([platform.signalCode, service.signalCode]).toEqual(['SIGTERM', 'SIGTERM']);
  expect(await later.running()).toEqual([]);
});

it('never touches a stranger who got the id of one of ours', async () => {
  const stranger = start();
  await record.add('messaging-svc', stranger.pid);
  const file = path.join(directory, 'pids/messaging-svc.json');
  const recorded = JSON.parse(await readFile(file, 'utf8')) as Recorded;
  await writeFile(file, JSON.stringify({ ...recorded, startTime: 'another' }));
  expect(await record.stopAll()).toEqual([]);
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
});

it('forgets what has ended', async () => {
  const child = start();
  await record.add('messaging-svc', child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await record.running()).toEqual([]);
  await record.remove('messaging-svc');
  expect(await readdir(path.join(directory, 'pids'))).toEqual([]);
});
