import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { repository } from './system.ts';

const run = promisify(execFile);

/** Builds every app and library; what has not changed comes from Nx's cache. */
export async function buildAll(logFile: string, signal?: AbortSignal): Promise<void> {
  const nx = path.join(repository, 'node_modules/.bin/nx');
  const options = {
    cwd: repository,
    env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' },
    maxBuffer: 64 << 20,
    signal,
  };
  const args = ['run-many', '-t', 'build', '--outputStyle=static'];
  const { failed, output } = await run(nx, args, options).then(
    ({ stdout, stderr }) => ({ failed: false, output: stdout + stderr }),
    (error: Error & { stdout?: string; stderr?: string }) => ({
      failed: true,
      output: `${error.stdout ?? error.message}${error.stderr ?? ''}`,
    }),
  );
  signal?.throwIfAborted();
  await mkdir(path.dirname(logFile), { recursive: true });
  await writeFile(logFile, output);
  if (failed)
    throw new Error(`the build failed; the end of ${logFile}:\n  ${output.trim().split('\n').slice(-25).join('\n  ')}`);
}
