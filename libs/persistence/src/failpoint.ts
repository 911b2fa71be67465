import { unlinkSync } from 'node:fs';

/** Named moments at which a test wants a process to die as by `kill -9`. */
export interface Failpoints {
  /** False outside of tests: then nothing needs to watch for a moment either. */
  readonly on: boolean;
  /** Kills the process when a file of this name lies in the directory of failpoints. Taking it away comes first, so one file is one death. */
  readonly reached: (name: string) => void;
}

/**
 * Reads `FAILPOINTS_DIR`. Without it reaching a failpoint does nothing.
 * @throws where it is set and `NODE_ENV` is not `test`: no deployment is to have a switch that kills
 */
export function readFailpoints(env: NodeJS.ProcessEnv, die: () => void): Failpoints {
  const directory = env['FAILPOINTS_DIR'];
  if (!directory) return { on: false, reached: () => undefined };
  if (env['NODE_ENV'] !== 'test') throw new Error('FAILPOINTS_DIR is for tests: it is refused unless NODE_ENV=test');
  return {
    on: true,
    reached: (name) => {
      if (take(`${directory}/${name}`)) die();
    },
  };
}

/** Whether the file was there; of several who reach for it one gets it. */
function take(file: string): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

export const failpoints = readFailpoints(process.env, () => process.kill(process.pid, 'SIGKILL'));
