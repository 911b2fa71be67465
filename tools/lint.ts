/** `make lint`: every check, also after one has failed, so that one run tells all. */
import { execFileSync, spawnSync } from 'node:child_process';
import { repository } from '@signalbox/testing/platform';

// ESLint's boundary rule reads Nx's project graph, and skips itself in silence when there is none.
execFileSync('nx', ['show', 'projects'], { cwd: repository, stdio: ['ignore', 'ignore', 'inherit'] });

const checks: Readonly<Record<string, string[]>> = {
  eslint: ['eslint', '.', '--max-warnings', '0'],
  prettier: ['prettier', '--check', '--log-level', 'warn', '.'],
  types: ['tsc', '-p', 'tsconfig.json'],
};
const failed = Object.entries(checks).filter(([name, [command = '', ...args]]) => {
  const { status } = spawnSync(command, args, { cwd: repository, stdio: 'inherit' });
  console.log(`${status === 0 ? '✓' : '✗'} ${name}`);
  return status !== 0;
});
if (failed.length > 0) process.exitCode = 1;
