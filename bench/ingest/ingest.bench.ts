import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { topics } from '@signalbox/contracts';
import { freePort, localTenant, startKafka } from '@signalbox/testing/platform';
import { Kafka, logLevel } from 'kafkajs';
import { answers, type Contender, cores, startNode } from '../contender.ts';
import type { LoadResult } from './load.ts';
import { type Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';

const run = promisify(execFile);
const accountSid = 'AC00000000000000000000000000000001';
const root = path.resolve(import.meta.dirname, '../..');

/** webhook-ingest against what others build, and against the limit. */
export async function ingestBench(rounds: number): Promise<Report> {
  const directory = await mkdtemp(path.join(tmpdir(), 'signalbox-bench-'));
  const kafkaPort = await freePort();
  const dataDir = path.join(directory, 'kafka');
  let kafka = await startKafka({ port: kafkaPort, dataDir, optimised: true });
  await run(process.execPath, ['libs/kafka/dist/ensure-topics.cli.js'], {
    cwd: root,
    env: { ...process.env, KAFKA_BROKERS: kafka.brokers },
  });
  const tenant = localTenant('http://127.0.0.1:1');
  const tenantsFile = path.join(directory, 'tenants.yaml');
  await writeFile(tenantsFile, tenant.file);

  const started: Contender[] = [];
  const contender = async (name: string, args: string[]) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const env = {
      PORT: String(port),
      HOST: '127.0.0.1',
      PUBLIC_BASE_URL: url,
      AUTH_TOKEN: tenant.tokens.webhookAuth,
      KAFKA_BROKERS: kafka.brokers,
      TENANTS_FILE: tenantsFile,
      SPOOL_DIR: path.join(directory, 'spool'),
      BLOB_DIR: path.join(directory, 'blobs'),
      TOPIC: topics.twilioMessageCallbacks.name,
      LOG_LEVEL: 'warn',
      ...tenant.secrets,
    };
    const process = await startNode(name, args, env, () => answers(`${url}/healthz`));
    started.push(process);
    const load = async (changes: Record<string, string> = {}): Promise<LoadResult> => {
      const { stdout } = await run(
        'taskset',
        ['-c', cores, globalThis.process.execPath, '--conditions=@signalbox/source', 'bench/ingest/load.ts'],
        {
          cwd: root,
          env: { ...globalThis.process.env, ...env, TARGET: url, ACCOUNT_SID: accountSid, ...changes },
        },
      );
      const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as LoadResult;
      if (result.other > 0)
        throw new Error(`${name}: ${result.other} of ${result.ok + result.other} requests were not answered 2xx`);
      return result;
    };
    return { process, load, url };
  };

  try {
    const ingest = await contender('webhook-ingest', ['--enable-source-maps', 'apps/webhook-ingest/dist/main.js']);
    const fastify = await contender('peer-fastify', ['bench/ingest/peer-fastify.ts']);
    const express = await contender('peer-express', ['bench/ingest/peer-express.ts']);
    const nest = await contender('peer-nest', ['bench/ingest/peer-nest.ts']);
    // Long enough for Node and the broker to have compiled what is hot; a process that has just started is slower.
    for (const { load } of [ingest, fastify, express, nest]) await load({ DURATION: '8' });

    const rate =
      ({ load }: { load: typeof ingest.load }) =>
      async () =>
        (await load()).rate;
    const [own, limit, handbook, emit] = (await takeTurns(rounds, {
      'webhook-ingest, durable': rate(ingest),
      'Fastify + twilio check, keeps nothing': rate(fastify),
      'Express + twilio check, dedupe in memory': rate(express),
      'Nest ClientKafka.emit per request': rate(nest),
    })) as [Series, Series, Series, Series];

    const half = String(Math.floor(summarise(own.values).median / 2));
    const p99At =
      ({ load }: { load: typeof ingest.load }) =>
      async () =>
        (await load({ RATE: half })).p99;
    const [ownP99, limitP99] = (await takeTurns(rounds, {
      'p99 at half load, ms: webhook-ingest': p99At(ingest),
      'p99 at half load, ms: Fastify + twilio check': p99At(fastify),
    })) as [Series, Series];
    for (const peer of [fastify, express, nest]) await peer.process.kill();

    const outage = await brokerAway();
    await ingest.process.kill();
    return {
      suite: 'ingest',
      method: `Signed status callbacks over ${'64'} connections, ${rounds} rounds in turn; server, broker and load share the same two cores.`,
      lines: [
        {
          what: 'webhook-ingest, answered after acks=all',
          unit: 'req/s',
          value: summarise(own.values),
          against: 'Fastify + twilio check, keeps nothing (the limit)',
          ratio: ratio(own, limit),
          target: '≥ 0.75',
        },
        {
          what: 'the limit',
          unit: 'req/s',
          value: summarise(limit.values),
          against: 'Nest ClientKafka.emit per request',
          ratio: ratio(limit, emit),
        },
        {
          what: 'webhook-ingest',
          unit: 'req/s',
          value: summarise(own.values),
          against: 'Express + twilio check, dedupe in memory',
          ratio: ratio(own, handbook),
        },
        {
          what: 'webhook-ingest',
          unit: 'req/s',
          value: summarise(own.values),
          against: 'Nest ClientKafka.emit per request',
          ratio: ratio(own, emit),
          target: '≥ 4',
        },
        {
          what: `p99 at half load (${half}/s)`,
          unit: 'ms',
          value: summarise(ownP99.values),
          against: `Fastify + twilio check at the same rate (${summarise(limitP99.values).median.toFixed(1)} ms)`,
          ratio: ratio(ownP99, limitP99),
          target: '< 20 ms',
        },
        {
          what: 'p95 with the broker stopped (300/s, spooled)',
          unit: 'ms',
          value: summarise([outage.p95]),
          target: '< 200 ms',
        },
        {
          what: 'acknowledged during the outage and not in the topic afterwards',
          unit: 'callbacks',
          value: summarise([outage.lost]),
          target: '0',
        },
      ],
    };

    async function brokerAway(): Promise<{ p95: number; lost: number }> {
      const before = await recordCount(kafka.brokers);
      await kafka.kill();
      const { p95, ok } = await ingest.load({ RATE: '300', DURATION: '20' });
      kafka = await startKafka({ port: kafkaPort, dataDir, optimised: true });
      let arrived = 0;
      for (let tries = 0; tries < 600 && arrived < ok; tries++) {
        arrived = (await recordCount(kafka.brokers)) - before;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return { p95, lost: Math.max(0, ok - arrived) };
    }
  } finally {
    await Promise.all(started.map((one) => one.kill('SIGKILL')));
    await kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

async function recordCount(brokers: string): Promise<number> {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topics.twilioMessageCallbacks.name);
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  } finally {
    await admin.disconnect();
  }
}
