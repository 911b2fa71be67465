import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@signalbox/testing';
import { freePort, repository, type RunInfo, services, startTimeOf } from '@signalbox/testing/platform';

let directory: string;
let launcher: ChildProcess;
let output: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'signalbox-'));
  output = '';
});
afterEach(async () => {
  await tool('down.ts');
  await rm(directory, { recursive: true, force: true });
});

async function start(): Promise<RunInfo> {
  const { KAFKA_BROKERS: _brokers, DATABASE_URL: _url, NODE_OPTIONS: _options, ...rest } = process.env;
  const env: NodeJS.ProcessEnv = { ...rest, SIGNALBOX_LOCAL: directory, DEMO: '0' };
  for (const name of [...services.map(({ portVariable }) => portVariable), 'KAFKA_PORT', 'POSTGRES_PORT'])
    env[name] = String(await freePort());
  launcher = spawn(process.execPath, ['--conditions=@signalbox/source', 'tools/up.ts'], { cwd: repository, env });
  for (const stream of [launcher.stdout, launcher.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return eventually(
    async () => {
      if (launcher.exitCode !== null) return expect(output).toBe('a launcher that is still running') as never;
      return runInfo();
    },
    { timeout: 90_000 },
  );
}

async function runInfo(): Promise<RunInfo> {
  return JSON.parse(await readFile(path.join(directory, 'run.json'), 'utf8')) as RunInfo;
}

async function tool(name: string): Promise<void> {
  const env = { ...process.env, NODE_OPTIONS: '', SIGNALBOX_LOCAL: directory };
  await once(
    spawn(process.execPath, ['--conditions=@signalbox/source', `tools/${name}`], { cwd: repository, env }),
    'exit',
  );
}

async function alive(pids: readonly number[]): Promise<number[]> {
  const times = await Promise.all(pids.map(startTimeOf));
  return pids.filter((_pid, i) => times[i] !== undefined);
}

it('starts a killed service again, keeps run.json true, and leaves nothing behind on Ctrl-C', async () => {
  const before = await start();
  const killed = before.pids['messaging-svc'] ?? 0;
  process.kill(killed, 'SIGKILL');
  const after = await eventually(async () => {
    const info = await runInfo();
    expect(info.pids['messaging-svc']).not.toBe(killed);
    return info;
  });
  await eventually(async () => expect((await fetch(`${after.services['messaging-svc']}/readyz`)).status).toBe(200));
  expect({ ...after, pids: {} }).toEqual({ ...before, pids: {} });

  launcher.kill('SIGINT');
  const [code] = (await once(launcher, 'exit')) as [number];
  expect(code).toBe(130);
  expect(await alive(Object.values(after.pids))).toEqual([]);
  await expect(runInfo()).rejects.toThrow(/ENOENT/);
}, 180_000);

it('leaves nothing behind after "make down" when the launcher itself was killed', async () => {
  const { pids } = await start();
  const processes = ['kafka', 'postgres', ...services.map(({ name }) => name)];
  expect(Object.keys(pids).sort()).toEqual(processes.sort());
  launcher.kill('SIGKILL');
  await once(launcher, 'exit');
  expect(await alive(Object.values(pids))).toHaveLength(processes.length);
  await tool('down.ts');
  expect(await alive(Object.values(pids))).toEqual([]);
}, 180_000);
