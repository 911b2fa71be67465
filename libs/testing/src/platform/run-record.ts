import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { signalGroup } from './child.ts';
import { startTimeOf } from './process-table.ts';

/** A process that a run started, noted on disk so that it can be found after the launcher was killed. */
export interface Recorded {
  readonly name: string;
  readonly pid: number;
  /** Tells it from a stranger who got the same id later. */
  readonly startTime: string;
  /** Milliseconds since the epoch, with their fraction: two processes may be noted within one. */
  readonly recordedAt: number;
  readonly stopSignal: NodeJS.Signals;
}

/** The processes of one run, a file each. */
export class RunRecord {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async add(name: string, pid: number, stopSignal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const startTime = await startTimeOf(pid);
    // Already gone: nothing to find later.
    if (startTime === undefined) return;
    const recorded: Recorded = {
      name,
      pid,
      startTime,
      recordedAt: performance.timeOrigin + performance.now(),
      stopSignal,
    };
    await mkdir(this.#directory, { recursive: true });
    await writeAtomically(path.join(this.#directory, `${name}.json`), JSON.stringify(recorded));
  }

  async remove(name: string): Promise<void> {
    await rm(path.join(this.#directory, `${name}.json`), { force: true });
  }

  /** Those still running, the youngest first. */
  async running(): Promise<Recorded[]> {
    const files = await readdir(this.#directory).catch((): string[] => []);
    const all = await Promise.all(
      files
        .filter((file) => file.endsWith('.json'))
        .map(async (file) => JSON.parse(await readFile(path.join(this.#directory, file), 'utf8')) as Recorded),
    );
    const alive = await Promise.all(all.map(async (recorded) => ((await isRunning(recorded)) ? [recorded] : [])));
    return alive.flat().sort((a, b) => b.recordedAt - a.recordedAt);
  }

  /** Ends what still runs, gracefully at first, the youngest first; resolves to the names of what it ended. */
  async stopAll(): Promise<string[]> {
    const running = await this.running();
    for (const recorded of running) await stop(recorded);
    await rm(this.#directory, { recursive: true, force: true });
    return running.map(({ name }) => name);
  }
}

async function isRunning({ pid, startTime }: Recorded): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}

async function stop(recorded: Recorded): Promise<void> {
  process.kill(recorded.pid, recorded.stopSignal);
  const deadline = Date.now() + 10_000;
  while (await isRunning(recorded)) {
    if (Date.now() > deadline) signalGroup(recorded.pid, 'SIGKILL');
    await delay(20);
  }
}

/** Readers see the old content or the new one, never a part. */
export async function writeAtomically(file: string, content: string): Promise<void> {
  const draft = `${file}.${randomUUID()}.draft`;
  await writeFile(draft, content);
  await rename(draft, file);
}
