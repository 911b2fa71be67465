import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = path.resolve(import.meta.dirname, '..');

/** Servers, broker and load share these cores, the same for every contender. */
export const cores = process.env['BENCH_CORES'] ?? '0,1';

export interface Contender {
  readonly pid: number;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Runs a Node program and waits until `ready` no longer throws. */
export async function startNode(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  ready: () => Promise<void>,
): Promise<Contender> {
  mkdirSync(path.join(root, '.local/bench'), { recursive: true });
  const log = openSync(path.join(root, `.local/bench/${name}.log`), 'a');
  const child: ChildProcess = spawn('taskset', ['-c', cores, process.execPath, ...args], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', log, log],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: see .local/bench/${name}.log`);
    try {
      await ready();
      break;
    } catch (error) {
      if (tries > 300) throw new Error(`${name} does not get ready`, { cause: error });
      await sleep(100);
    }
  }
  return {
    pid: child.pid ?? 0,
    async kill(signal = 'SIGTERM') {
      if (child.exitCode === null) child.kill(signal);
      await ended;
    },
  };
}

export async function answers(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
  if (response.status >= 500) throw new Error(`${url} answers ${response.status}`);
}
