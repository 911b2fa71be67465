/**
 * `make up`: Kafka, Postgres, the build, the services, a demo; then it stays and keeps them running. What is started and
 * how is in libs/testing/src/platform; here is what a person sees, and the signals.
 */
import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  buildAll,
  choosePlatform,
  describe,
  launchSystem,
  type Platform,
  removeContainers,
  repository,
  type RunInfo,
  RunRecord,
  type ServiceDefinition,
  services,
  type System,
  takenPorts,
  writeAtomically,
} from '@signalbox/testing/platform';
import { Steps } from './steps.ts';

const directory = path.resolve(repository, process.env['SIGNALBOX_LOCAL'] ?? '.local');
const runFile = path.join(directory, 'run.json');
const record = new RunRecord(path.join(directory, 'pids'));
const steps = new Steps();
const { env } = process;
const demoWanted = env['DEMO'] !== '0';
const endsAfterDemo = env['ONCE'] === '1';

type End = { readonly code: number; readonly why?: string };

// A closed terminal must not keep us from ending what we started.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const stopping = new AbortController();
const stopRequested = new Promise<End>((resolve) => {
  const codes = { SIGINT: 130, SIGTERM: 0, SIGHUP: 0 };
  for (const [signal, code] of Object.entries(codes)) process.on(signal, () => resolve({ code, why: 'stopping' }));
});

process.exit(await main());

async function main(): Promise<number> {
  const platform = choosePlatform({
    env,
    ports: { kafka: port('KAFKA_PORT', 9092), postgres: port('POSTGRES_PORT', 15432) },
    directory,
    record,
    durable: true,
  });
  const fault = await whatStandsInTheWay(platform);
  if (fault) {
    console.error(fault);
    return 1;
  }
  await rm(path.join(directory, 'logs'), { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await record.add('launcher', process.pid);

  let system: System | undefined;
  const life = (async (): Promise<End> => {
    system = await bringUp(platform);
    if (demoWanted) {
      const code = await demo();
      if (code !== 0 && !endsAfterDemo) console.log('the demo failed; everything is still running');
      if (endsAfterDemo) return { code };
    } else if (endsAfterDemo) return { code: 0 };
    console.log('Ctrl-C stops everything.');
    return platformEnded(platform);
  })().catch((error: unknown): End => ({ code: 1, why: error instanceof Error ? error.message : String(error) }));

  const end = await Promise.race([life, stopRequested]);
  if (end.why) (end.code === 1 ? console.error : console.log)(`\n${end.why}`);
  stopping.abort();
  await rm(runFile, { force: true });
  await system?.stop();
  await platform.stop();
  await life;
  await steps.settled();
  await record.remove('launcher');
  await record.stopAll();
  return end.code;
}

async function whatStandsInTheWay(platform: Platform): Promise<string | undefined> {
  const running = await record.running();
  const launcher = running.find(({ name }) => name === 'launcher');
  if (launcher)
    return `signalbox is already running here (process ${launcher.pid}): stop it with Ctrl-C there, or with "make down".`;
  await rm(runFile, { force: true });
  if (running.length > 0)
    console.log(`stopping what an earlier run left behind: ${(await record.stopAll()).join(', ')}`);
  await removeContainers(directory);
  const claims = services.map((service) => ({ ...service, port: portOf(service), variable: service.portVariable }));
  const taken = await takenPorts([...platform.ports, ...claims]);
  return taken.length > 0 ? taken.join('\n') : undefined;
}

async function bringUp(platform: Platform): Promise<System> {
  const { signal } = stopping;
  console.log(`signalbox: starting, each process's log is in ${path.relative(process.cwd(), directory) || '.'}/logs`);
  const built = steps.step('build', () => buildAll(path.join(directory, 'logs/build.log'), signal));
  const postgres = steps.step(
    'postgres',
    () => platform.postgres(),
    () => platform.origin.postgres,
  );
  const kafka = steps.step(
    'kafka',
    () => platform.kafka(),
    (brokers) => `${brokers}, ${platform.origin.kafka}`,
  );
  await Promise.all([built, postgres, kafka]);
  let writing = Promise.resolve();
  const publish = (info: RunInfo) => (writing = writing.then(() => writeRunFile(info, platform)));
  const system = await launchSystem({
    brokers: await kafka,
    postgres: await postgres,
    directory,
    portOf,
    signal,
    step: (name, work, outcome) => steps.step(name, work, outcome),
    onLine: (line) => console.log(`  ! ${line}`),
    onChange: publish,
  });
  await publish(system.info);
  console.log(`\nsignalbox is up (${steps.total()})`);
  const urls = {
    ...system.info.services,
    simulator: system.info.simulator,
    kafka: system.info.kafka,
    ...system.info.postgres,
  };
  for (const [name, url] of Object.entries(urls)) console.log(`  ${name.padEnd(20)} ${url}`);
  console.log(`  ${'tokens'.padEnd(20)} in ${path.relative(process.cwd(), runFile)}\n`);
  return system;
}

async function writeRunFile(info: RunInfo, platform: Platform): Promise<void> {
  const platformPids = Object.fromEntries(platform.children().map(({ name, pid }) => [name, pid]));
  await writeAtomically(runFile, `${JSON.stringify({ ...info, pids: { ...platformPids, ...info.pids } }, null, 2)}\n`);
}

async function demo(): Promise<number> {
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', 'tools/demo.ts'], {
    cwd: repository,
    stdio: 'inherit',
  });
  stopping.signal.addEventListener('abort', () => child.kill());
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

/** Resolves when Kafka or Postgres ends by itself, which no service can make up for. */
async function platformEnded(platform: Platform): Promise<End> {
  const endings = platform.children().map(async (child): Promise<End> => {
    const exit = await child.exited;
    return { code: 1, why: `${child.name} ended (${describe(exit)}): nothing works without it, see ${child.logFile}` };
  });
  return Promise.race(endings.length > 0 ? endings : [new Promise<End>(() => undefined)]);
}

function portOf(service: ServiceDefinition): number {
  return port(service.portVariable, service.port);
}

function port(variable: string, fallback: number): number {
  const value = Number(env[variable] ?? fallback);
  if (!Number.isInteger(value) || value < 1 || value > 65535)
    throw new Error(`${variable}=${env[variable]} is not a port`);
  return value;
}
