import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { databaseUrl } from '@signalbox/testing';
import { freePort, localTenant } from '@signalbox/testing/platform';
import { answers, type Contender, cores, startNode } from '../contender.ts';
import { connect, startPlatform } from '../messaging/platform.ts';
import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import type { LoadResult } from './load.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const accountSid = 'AC00000000000000000000000000000001';
const callsPerSecond = 300;
/** Each of four documents. */
const fewerCallsPerSecond = 75;

/** voice-svc, which answers calls by a flow and keeps where they are, against a server that says one thing to everybody. */
export async function voiceBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  const tenant = localTenant('http://127.0.0.1:1', { voice: { numbers: { '+14155550100': 'support' } } });
  const tenantsFile = path.join(platform.directory, 'tenants.yaml');
  const started: Contender[] = [];
  try {
    await writeFile(tenantsFile, tenant.file);
    const database = databaseUrl(platform.postgres, 'voice');
    await using server = await connect(platform.postgres);
    await server.query('create database voice');
    await run(process.execPath, ['apps/voice-svc/dist/migrate.js'], {
      cwd: root,
      env: { ...process.env, DATABASE_URL: database },
    });

    const contender = async (name: string, args: string[]) => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const env = {
        PORT: String(port),
        HOST: '127.0.0.1',
        PUBLIC_BASE_URL: 'http://127.0.0.1:1',
        VOICE_PUBLIC_BASE_URL: url,
        AUTH_TOKEN: tenant.tokens.webhookAuth,
        KAFKA_BROKERS: platform.brokers,
        DATABASE_URL: database,
        TENANTS_FILE: tenantsFile,
        FLOWS_DIR: 'config/flows',
        LOG_LEVEL: 'warn',
        ...tenant.secrets,
      };
      started.push(await startNode(name, args, env, () => answers(`${url}/healthz`)));
      return async (changes: Record<string, string> = {}): Promise<LoadResult> => {
        const { stdout } = await run('taskset', ['-c', cores, process.execPath, 'bench/voice/load.ts'], {
          cwd: root,
          env: { ...process.env, ...env, TARGET: url, ACCOUNT_SID: accountSid, ...changes },
        });
        const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as LoadResult;
        if (result.failed > 0) throw new Error(`${name}: ${result.failed} callers were not led on`);
        return result;
      };
    };
    const own = await contender('voice-svc', ['--enable-source-maps', 'apps/voice-svc/dist/main.js']);
    const bare = await contender('voice-peer-fastify', ['bench/voice/peer-fastify.ts']);
    // The JVM of the broker compiles what it runs all the time for quite a while.
    await own({ DURATION: '25' });
    await bare({ DURATION: '4' });

    const [ownRate, limit] = (await takeTurns(rounds, {
      'voice-svc, a flow': async () => (await own()).rate,
      'Fastify, one document': async () => (await bare()).rate,
    })) as [Series, Series];
    const [calmP95] = (await takeTurns(rounds, {
      'p95 in ms, a quarter of the calls: voice-svc': async () =>
        (await own({ RATE: String(fewerCallsPerSecond), DURATION: '8' })).p95,
    })) as [Series];
    const calm = { RATE: String(callsPerSecond), DURATION: '10' };
    const [ownP95, bareP95] = (await takeTurns(rounds, {
      'p95 in ms: voice-svc': async () => (await own(calm)).p95,
      'p95 in ms: Fastify': async () => (await bare(calm)).p95,
    })) as [Series, Series];

    return {
      suite: 'voice',
      method: `Callers who go through three menus into a question, four signed requests each; ${rounds} rounds in turn. voice-svc checks the signature, goes on in the flow, stores at each step where the call is and what it was told, once, in a durable Postgres, and tells Kafka three times a call what happens; the peer parses nothing and answers everybody with the same text. Callers, service, database and broker share the same two cores.`,
      lines: [
        {
          what: 'voice-svc, 64 callers at full speed',
          unit: 'documents/s',
          value: summarise(ownRate.values),
          against: 'a bare Fastify server with a constant document (the limit)',
          ratio: ratio(ownRate, limit),
          target: '≥ 0.4',
        },
        { what: 'the limit', unit: 'documents/s', value: summarise(limit.values) },
        {
          what: `p95 of a document, ${callsPerSecond} calls/s (${callsPerSecond * 4} documents/s)`,
          unit: 'ms',
          value: summarise(ownP95.values),
          against: `the limit at the same rate (${summarise(bareP95.values).median.toFixed(1)} ms)`,
          ratio: ratio(ownP95, bareP95),
          target: '< 20 ms',
        },
        {
          what: `p95 of a document, ${fewerCallsPerSecond} calls/s (${fewerCallsPerSecond * 4} documents/s)`,
          unit: 'ms',
          value: summarise(calmP95.values),
          target: '< 20 ms',
        },
      ],
    };
  } finally {
    await Promise.all(started.map((one) => one.kill('SIGKILL')));
    await platform.stop();
  }
}
