import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Receives stdout and stderr; appended to. */
  readonly logFile: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Asks for a graceful end. */
  readonly stopSignal?: NodeJS.Signals;
  /** Milliseconds a graceful end may take before the process group is killed. */
  readonly stopTimeout?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
  /** Undefined while it runs. */
  exit(): Exit | undefined;
  /** Graceful, then by force; resolves when it is gone. */
  stop(): Promise<Exit>;
  /** `kill -9` of the whole group; resolves when it is gone. */
  kill(): Promise<Exit>;
}

/**
 * Starts a process in a group of its own: a Ctrl-C in the terminal reaches only the launcher, which then ends its
 * children in the right order, and whatever a child started goes with it.
 */
export function startChild(options: ChildOptions): Child {
  mkdirSync(path.dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    uid: options.uid,
    gid: options.gid,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);

  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve((exit = { code, signal })));
    child.once('error', () => resolve((exit = { code: 127, signal: null })));
  });
  if (child.pid === undefined) throw new Error(`${options.name}: cannot run ${options.command}`);
  const pid = child.pid;

  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    signalGroup(pid, signal);
    return exited;
  };
  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exited,
    exit: () => exit,
    kill: () => end('SIGKILL'),
    stop: async () => {
      if (exit) return end('SIGKILL');
      // Only the leader is asked: it knows best how to end what it started.
      child.kill(options.stopSignal ?? 'SIGTERM');
      const timeout = new AbortController();
      await Promise.race([
        exited,
        delay(options.stopTimeout ?? 20_000, undefined, { signal: timeout.signal, ref: false }),
      ]);
      timeout.abort();
      return end('SIGKILL');
    },
  };
}

/** Signals a process group; one that is gone is fine. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Polls `probe` until it stops throwing. Fails at once when the child ends, and after `timeout` ms, each time with the
 * probe's last error and the end of the child's log, which is what a person would look for.
 */
export async function waitUntilReady(child: Child, probe: () => Promise<void>, timeout = 60_000): Promise<void> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  while (!child.exit()) {
    try {
      return await probe();
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw await notReady(child, `is not ready after ${timeout / 1000} s`, last);
    await Promise.race([child.exited, delay(50)]);
  }
  const { code, signal } = await child.exited;
  throw await notReady(child, `ended with ${signal ?? `exit code ${code}`} before it was ready`, last);
}

async function notReady(child: Child, what: string, last: unknown): Promise<Error> {
  const reason = last instanceof Error ? ` (${last.message})` : '';
  const log = await readFile(child.logFile, 'utf8').catch(() => '');
  const tail = log.trimEnd().split('\n').slice(-12).join('\n  ');
  return new Error(`${child.name} ${what}${reason}; the end of ${child.logFile}:\n  ${tail}`);
}
