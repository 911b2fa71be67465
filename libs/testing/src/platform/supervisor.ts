import { setTimeout as delay } from 'node:timers/promises';
import { startChild, waitUntilReady, type Child, type ChildOptions, type Exit } from './child.ts';

export interface SupervisorOptions extends ChildOptions {
  /** Throws while the process is not ready. */
  readonly probe: () => Promise<void>;
  /** Gives up the first start. */
  readonly signal?: AbortSignal;
  /** A process was started, for the first time or again. */
  readonly onStart?: (pid: number) => Promise<void>;
  /** What a person watching should read. */
  readonly onLine?: (line: string) => void;
}

export interface Supervised {
  readonly name: string;
  readonly pid: number;
  /** How often it was started again. */
  readonly restarts: number;
  /** `kill -9`; it is started again. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end (SIGTERM); it is started again. Resolves with how it ended. */
  terminate(): Promise<Exit>;
  /** For good. */
  stop(): Promise<void>;
}

const longestPause = 5_000;

/**
 * Starts a process, waits until it is ready, and from then on starts it again whenever it ends, as Kubernetes would: at
 * once, but with growing pauses when it dies again before it was ready.
 * @throws when it is not ready the first time.
 */
export async function supervise(options: SupervisorOptions): Promise<Supervised> {
  const { name, probe, onStart, signal, onLine = () => undefined } = options;
  signal?.throwIfAborted();
  const stopping = new AbortController();
  let restarts = 0;
  let child = startChild(options);
  const giveUp = () => void child.kill();
  signal?.addEventListener('abort', giveUp);
  try {
    await onStart?.(child.pid);
    await waitUntilReady(child, probe);
  } catch (error) {
    await child.kill();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }

  const keepRunning = async (): Promise<void> => {
    let vainStarts = 0;
    for (;;) {
      const exit = await child.exited;
      if (stopping.signal.aborted) return;
      const pause = vainStarts === 0 ? 0 : Math.min(longestPause, 100 * 2 ** (vainStarts - 1));
      const when = pause === 0 ? 'starting it again' : `starting it again in ${pause / 1000} s`;
      onLine(`${name} ended (${describe(exit)}); ${when}`);
      await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      child = startChild(options);
      restarts += 1;
      vainStarts += 1;
      await onStart?.(child.pid);
      if (await becomesReady(child, probe)) {
        vainStarts = 0;
        onLine(`${name} is ready again (process ${child.pid})`);
      }
    }
  };
  const running = keepRunning();

  return {
    name,
    get pid() {
      return child.pid;
    },
    get restarts() {
      return restarts;
    },
    kill: async () => void (await child.kill()),
    terminate: () => child.stop(),
    stop: async () => {
      stopping.abort();
      await child.stop();
      await running;
      // It may have been started in the very moment.
      await child.stop();
    },
  };
}

/** Waits as long as it takes: a service may be waiting for the database to come back. */
async function becomesReady(child: Child, probe: () => Promise<void>): Promise<boolean> {
  while (!child.exit()) {
    try {
      await probe();
      return true;
    } catch {
      // What keeps it from being ready is in its own log.
      await Promise.race([child.exited, delay(100)]);
    }
  }
  return false;
}

export function describe({ code, signal }: Exit): string {
  return signal ?? `exit code ${code}`;
}
