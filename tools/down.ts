/** `make down`: ends a run, also one whose launcher was killed and left its processes behind. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeContainers, repository, RunRecord } from '@signalbox/testing/platform';

const directory = path.resolve(repository, process.env['SIGNALBOX_LOCAL'] ?? '.local');
const record = new RunRecord(path.join(directory, 'pids'));

const launcher = (await record.running()).find(({ name }) => name === 'launcher');
if (launcher) {
  console.log(`asking the launcher (process ${launcher.pid}) to stop everything`);
  process.kill(launcher.pid, 'SIGTERM');
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && (await record.running()).some(({ name }) => name === 'launcher')) await delay(50);
}
const ended = await record.stopAll();
if (await removeContainers(directory)) ended.push('the containers of Kafka and Postgres');
const tests = await readdir(path.join(directory, 'test')).catch((): string[] => []);
for (const test of tests) ended.push(...(await new RunRecord(path.join(directory, 'test', test, 'pids')).stopAll()));
await rm(path.join(directory, 'run.json'), { force: true });

if (ended.length > 0) console.log(`stopped ${ended.join(', ')}`);
else if (!launcher) console.log('nothing is running');
