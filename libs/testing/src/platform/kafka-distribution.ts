import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { cached } from './cache.ts';
import { startChild, waitUntilReady } from './child.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

const version = '4.4.0';
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>signalbox.local</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
`;

const log4j = `<Configuration status="warn">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers>
    <Logger name="kafka.server.KafkaRaftServer" level="info"/>
    <Root level="warn"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
`;

export interface KafkaDistribution {
  /** Directory of the broker's jars. */
  readonly jars: string;
  /** A formatted, empty storage. */
  readonly storage: string;
  /** Directory of the class archive, once there is one. */
  readonly classes?: string;
}

/** Fetches the broker and formats an empty storage, once per machine. */
export async function prepareKafka(): Promise<KafkaDistribution> {
  const java = await requireJava();
  const jars = await cached(`kafka/${version}/jars`, fetchJars);
  const storage = await cached(`kafka/${version}/storage`, async (directory) => {
    const config = path.join(directory, 'format.properties');
    await writeFile(config, properties(serverSettings(9092, 9093, directory)));
    const clusterId = 'c2lnbmFsYm94LWxvY2FsMQ';
    await run('java', [
      '-cp',
      path.join(jars, '*'),
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId,
      '-c',
      config,
    ]);
    await rm(config);
  });
  const classes = await cached(`kafka/${version}/classes-${java}`, (directory) =>
    archiveClasses(directory, { jars, storage }),
  );
  return { jars, storage, classes };
}

/** Half of a broker's start is loading classes; an archive of them, made once by a run that does nothing, spares that. */
async function archiveClasses(directory: string, distribution: KafkaDistribution): Promise<void> {
  const dataDir = path.join(directory, 'data');
  const port = await freePort();
  const args = await brokerArguments(distribution, { port, dataDir });
  const child = startChild({
    name: 'kafka',
    command: 'java',
    args: [`-XX:ArchiveClassesAtExit=${path.join(directory, 'kafka.jsa')}`, ...args],
    logFile: path.join(dataDir, 'kafka.log'),
    stopTimeout: 60_000,
  });
  try {
    await waitUntilReady(child, () => connects(port));
  } finally {
    await child.stop();
  }
  await rm(dataDir, { recursive: true });
}

function connects(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(void socket.end()));
    socket.once('error', reject);
  });
}

export interface BrokerOptions {
  readonly port: number;
  readonly dataDir: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly optimised?: boolean | undefined;
}

/** Lays out `dataDir`, unless it holds a storage already, and gives the arguments of `java` that run a broker on it. */
export async function brokerArguments(distribution: KafkaDistribution, options: BrokerOptions): Promise<string[]> {
  const { port, dataDir, settings, optimised = false } = options;
  const logDir = path.join(dataDir, 'log');
  const config = path.join(dataDir, 'server.properties');
  const logging = path.join(dataDir, 'log4j2.xml');
  await mkdir(dataDir, { recursive: true });
  if (!(await isFormatted(logDir))) await cp(distribution.storage, logDir, { recursive: true });
  await writeFile(config, properties({ ...serverSettings(port, await freePort(), logDir), ...settings }));
  await writeFile(logging, log4j);
  return [
    '-Xms128m',
    '-Xmx512m',
    '-XX:+UseSerialGC',
    // A local broker lives for minutes: the thorough compiler would take more than it gives back.
    ...(optimised ? [] : ['-XX:TieredStopAtLevel=1']),
    '-XX:+ExitOnOutOfMemoryError',
    ...(distribution.classes ? [`-XX:SharedArchiveFile=${path.join(distribution.classes, 'kafka.jsa')}`] : []),
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    path.join(distribution.jars, '*'),
    'kafka.Kafka',
    config,
  ];
}

async function isFormatted(logDir: string): Promise<boolean> {
  return (await readdir(logDir).catch((): string[] => [])).includes('meta.properties');
}

async function fetchJars(directory: string): Promise<void> {
  await writeFile(path.join(directory, 'pom.xml'), pom);
  const args = [
    '--batch-mode',
    '--quiet',
    'dependency:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${directory}`,
  ];
  try {
    await run('mvn', args, { cwd: directory, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { code, stdout, message } = error as NodeJS.ErrnoException & { stdout?: string };
    if (String(code) === 'ENOENT') {
      throw new Error(
        'Maven is missing: it fetches Apache Kafka. Install it (mvn on the PATH), or set KAFKA_BROKERS to a running Kafka, or PLATFORM=docker.',
        { cause: error },
      );
    }
    throw new Error(
      `Maven could not fetch Apache Kafka ${version}: ${stdout?.trim().split('\n').slice(0, 5).join('\n') || message}`,
      { cause: error },
    );
  }
  await rm(path.join(directory, 'pom.xml'));
}

/** Resolves to its version, e.g. `17.0.15`. */
async function requireJava(): Promise<string> {
  const advice =
    'Apache Kafka needs Java 17 or later (java on the PATH). Or set KAFKA_BROKERS to a running Kafka, or PLATFORM=docker.';
  const answer = await run('java', ['-version']).catch((error: unknown) => {
    throw new Error(`Java is missing. ${advice}`, { cause: error });
  });
  const installed = /version "([^"]+)"/.exec(answer.stderr + answer.stdout)?.[1] ?? 'of an unknown version';
  const major = /^(?:1\.)?(\d+)/.exec(installed)?.[1];
  if (major === undefined || Number(major) < 17) throw new Error(`Java ${installed} is too old. ${advice}`);
  return installed;
}

function serverSettings(port: number, controllerPort: number, logDir: string): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'listener.security.protocol.map': 'CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'CLIENTS',
    'log.dirs': logDir,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': '1',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '8',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // A group of one machine has nobody to wait for.
    'group.initial.rebalance.delay.ms': '0',
    // How long a broker that was killed counts as alive, and so keeps its successor from registering.
    'broker.session.timeout.ms': '4000',
    'broker.heartbeat.interval.ms': '500',
    'log.cleaner.dedupe.buffer.size': '16777216',
  };
}

function properties(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('');
}
