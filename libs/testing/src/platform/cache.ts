import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

/** Downloads and prepared templates live outside the clone, so that a second clone starts as fast as the first one's second time. */
function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['SIGNALBOX_CACHE'] ?? path.join(env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'signalbox');
}

/** The directory `key` of the cache; `fill` makes its content once, and a half-filled one is never seen. */
export async function cached(key: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const target = path.join(cacheDir(), key);
  if (await exists(target)) return target;
  await mkdir(path.dirname(target), { recursive: true });
  const draft = await mkdtemp(`${target}.`);
  try {
    await fill(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Somebody else may have filled it meanwhile.
    if (!(await exists(target))) throw error;
  }
  return target;
}

async function exists(directory: string): Promise<boolean> {
  return stat(directory).then(
    () => true,
    () => false,
  );
}
