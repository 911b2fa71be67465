/**
 * `make test [TESTS=path …]`: a Kafka and a Postgres for the run (or those of KAFKA_BROKERS and DATABASE_URL), the build,
 * then all tests. The last line is `N passed, N failed`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildAll, choosePlatform, freePort, repository, RunRecord } from '@signalbox/testing/platform';
import { Steps } from './steps.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const patterns = process.argv.slice(2);
const runId = randomBytes(4).toString('hex');
const directory = path.join(repository, '.local/test', runId);
const record = new RunRecord(path.join(directory, 'pids'));
const steps = new Steps();
const stopping = new AbortController();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    interrupted = true;
    stopping.abort();
  });

const { passed, failed } = await main();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

async function main(): Promise<Counts> {
  const platform = choosePlatform({
    env: process.env,
    ports: { kafka: await freePort(), postgres: await freePort() },
    directory,
    record,
    durable: false,
  });
  let counts: Counts = { passed: 0, failed: 0 };
  try {
    const built = steps.step('build', () => buildAll(path.join(directory, 'build.log'), stopping.signal));
    built.catch(() => undefined);
    const [brokers, url] = await Promise.all([
      steps.step('kafka', () => platform.kafka()),
      steps.step('postgres', () => platform.postgres()),
    ]);
    const env = {
      ...process.env,
      KAFKA_BROKERS: brokers,
      DATABASE_URL: url,
      TEST_RUN_ID: runId,
    };
    counts = await jest('spec and int', ['--testPathIgnorePatterns', '\\.e2e\\.spec\\.ts$'], env);
    await built;
    // Two at a time: each starts a system of its own, and waits for it more than it computes.
    const e2e = ['--testMatch', '<rootDir>/{apps,libs}/**/*.e2e.spec.ts', '--maxWorkers', '2'];
    counts = sum(counts, await jest('e2e', e2e, env));
    // By itself: `make up` builds, and what it replaces by the same must not be started in that moment.
    const up = ['--testMatch', '<rootDir>/tools/**/*.e2e.spec.ts', '--runInBand'];
    counts = sum(counts, await jest('make up', up, env));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    counts = sum(counts, { passed: 0, failed: 1 });
  }
  stopping.abort();
  await platform.stop();
  await steps.settled();
  await record.stopAll();
  if (interrupted) counts = sum(counts, { passed: 0, failed: 1 });
  if (counts.failed === 0) await rm(directory, { recursive: true, force: true });
  else console.error(`\nlogs and results are in ${path.relative(process.cwd(), directory)}`);
  return counts;
}

async function jest(tier: string, args: string[], env: NodeJS.ProcessEnv): Promise<Counts> {
  if (stopping.signal.aborted) return { passed: 0, failed: 0 };
  console.log(`\n${tier}`);
  const outputFile = path.join(directory, `${tier.replaceAll(' ', '-')}.json`);
  // The patterns come first: an option that takes a list would take them too.
  const all = [...patterns, '--passWithNoTests', '--json', '--outputFile', outputFile, ...args];
  const child = spawn(process.execPath, ['node_modules/jest/bin/jest.js', ...all], {
    cwd: repository,
    env: {
      ...env,
      NODE_OPTIONS:
        '--experimental-vm-modules --disable-warning=ExperimentalWarning --disable-warning=TimeoutNegativeWarning',
    },
    // The report goes to stderr; stdout would get the JSON that the file has as well.
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  stopping.signal.addEventListener('abort', () => child.kill());
  const { code, hung } = await ended(child, outputFile);
  const { passed, failed } = await readCounts(outputFile);
  if (hung) console.error(`${tier}: jest did not end after its tests: something keeps a connection or a timer open`);
  const crashed = hung || (code !== 0 && failed === 0);
  return { passed, failed: failed + (crashed ? 1 : 0) };
}

/** Jest waits for ever for what a test forgot to close; after its report it gets some seconds to end. */
async function ended(child: ChildProcess, outputFile: string): Promise<{ code: number | null; hung: boolean }> {
  const grace = 20_000;
  return new Promise((resolve) => {
    let hung = false;
    const watch = setInterval(() => {
      stat(outputFile).then(
        ({ mtimeMs }) => {
          if (Date.now() - mtimeMs > grace) hung = child.kill('SIGKILL');
        },
        // Not written yet: the tests are still running.
        () => undefined,
      );
    }, 1_000);
    child.once('exit', (code) => {
      clearInterval(watch);
      resolve({ code, hung });
    });
  });
}

/** A suite that cannot even be loaded has no failed tests; it counts as one. */
async function readCounts(outputFile: string): Promise<Counts> {
  const text = await readFile(outputFile, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1 };
  const report = JSON.parse(text) as Record<'numPassedTests' | 'numFailedTests' | 'numRuntimeErrorTestSuites', number>;
  return { passed: report.numPassedTests, failed: report.numFailedTests + report.numRuntimeErrorTestSuites };
}

function sum(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed };
}
