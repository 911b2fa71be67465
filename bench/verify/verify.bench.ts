import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { loadTenants, type Tenant } from '@signalbox/tenants';
import { freePort } from '@signalbox/testing/platform';
import { answers, startNode } from '../contender.ts';
import { type BenchPlatform, startPlatform } from '../messaging/platform.ts';
import type { Line, Report } from '../report.ts';
import { ratio, type Series, summarise } from '../rounds.ts';
import { overHttp, sdkAsItComes, sdkOnUndici, serviceSid, type VerifyClient } from './clients.ts';
import { type Measured, type Pace, type RoundTrip, roundTrip } from './load.ts';

/** Milliseconds an answer of Verify takes, as seen from a server near Twilio. */
const twilioLike = [120, 300] as const;

interface Load {
  readonly title: string;
  readonly latencyMs: readonly [number, number] | undefined;
  readonly pace: Pace;
  readonly count: number;
}

const loads: readonly Load[] = [
  { title: '20/s, answers as slow as Twilio’s', latencyMs: twilioLike, pace: { perSecond: 20 }, count: 80 },
  { title: '100/s, answers as slow as Twilio’s', latencyMs: twilioLike, pace: { perSecond: 100 }, count: 400 },
  { title: '20/s, answers at once', latencyMs: undefined, pace: { perSecond: 20 }, count: 80 },
  { title: '100/s, answers at once', latencyMs: undefined, pace: { perSecond: 100 }, count: 400 },
  { title: '32 at once, answers at once', latencyMs: undefined, pace: { atOnce: 32 }, count: 2_000 },
];

const ours = 'verify-svc';
const asItComes = 'the SDK as it comes';
const onUndici = 'the SDK on undici';

/** What verify-svc adds to a start and a check, against a bare call of the SDK to the same simulator. */
export async function verifyBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using contenders = await startContenders(platform);
    const { clients } = contenders;
    let next = 0;
    const run = async (client: VerifyClient, { latencyMs, pace }: Load, count: number): Promise<RoundTrip> => {
      await contenders.simulate(latencyMs);
      const numbers = Array.from({ length: count }, () => recipient(next++));
      return roundTrip(client, numbers, pace, () => contenders.codes());
    };
    // Code, prepared statements and connections are there when it counts.
    const warm: Load = { title: 'warm-up', latencyMs: undefined, pace: { atOnce: 16 }, count: 0 };
    for (const client of Object.values(clients)) await run(client, warm, 3_000);

    const measured = new Map<Load, Record<string, RoundTrip[]>>();
    for (const load of loads) {
      const byClient: Record<string, RoundTrip[]> = {};
      for (let round = 0; round < rounds; round++) {
        const names = round % 2 ? Object.keys(clients).reverse() : Object.keys(clients);
        for (const name of names) {
          const trip = await run(clients[name] as VerifyClient, load, load.count);
          (byClient[name] ??= []).push(trip);
          console.log(
            `  round ${round + 1}  ${load.title.padEnd(36)} ${name.padEnd(20)} ${show(trip.start)}  ${show(trip.check)}`,
          );
        }
      }
      measured.set(load, byClient);
    }
    return {
      suite: 'verify',
      method: `How long a user waits for a code to be sent (start) and for the code typed in to be checked (check). Ours: a request over HTTP to verify-svc, which keeps state, limits, guard and events in a durable Postgres, calls the simulator and tells Kafka. Against: the same call of the simulator by Twilio's SDK in the load's own process, which keeps nothing, limits nothing and cannot be asked afterwards. Each row has the median of ours over ${rounds} rounds in turn and, beside the peer's own median, how many times as much ours is; p95 from when a request was due. "Answers as slow as Twilio's": the simulator takes ${twilioLike.join(' to ')} ms, as in production. "Answers at once": it takes none, so that there is nothing but our own work to be seen. Simulator, service, database, broker and load share the same two cores. The guard judges and counts but does not block (\`guard: observe\`), because a benchmark looks like pumping.`,
      lines: loads.flatMap((load) => linesOf(load, measured.get(load) ?? {})),
    };
  } finally {
    await platform.stop();
  }
}

function linesOf({ title, latencyMs, pace }: Load, byClient: Readonly<Record<string, RoundTrip[]>>): Line[] {
  return (['start', 'check'] as const).flatMap((step) => {
    const series = (name: string, of: (measured: Measured) => number): Series => ({
      name,
      values: (byClient[name] ?? []).map((trip) => of(trip[step])),
    });
    if ('atOnce' in pace) {
      const rate = (name: string) => series(name, ({ perSecond }) => perSecond);
      return [
        {
          what: `${step}s a second, ${title}`,
          unit: '/s',
          value: summarise(rate(ours).values),
          against: `${asItComes} (${Math.round(summarise(rate(asItComes).values).median)}/s)`,
          ratio: ratio(rate(ours), rate(asItComes)),
        },
      ];
    }
    const p95 = (name: string) => series(name, (measured) => measured.p95);
    return [asItComes, onUndici].map((peer): Line => ({
      what: `p95 of a ${step}, ${title}`,
      unit: 'ms',
      value: summarise(p95(ours).values),
      against: `${peer} (${summarise(p95(peer).values).median.toPrecision(3)} ms)`,
      ratio: ratio(p95(ours), p95(peer)),
      ...(latencyMs && { target: '≤ 1.3' }),
    }));
  });
}

const show = ({ p50, p95, perSecond }: Measured) =>
  `p50 ${p50.toFixed(1).padStart(6)} p95 ${p95.toFixed(1).padStart(6)} ms ${perSecond.toFixed(0).padStart(5)}/s`;

/** Spread over the numbering plan of the US. */
function recipient(index: number): string {
  const area = 201 + (index % 700);
  return `+1${area}2${String((index * 7919) % 1_000_000).padStart(6, '0')}`;
}

interface Contenders extends AsyncDisposable {
  readonly clients: Readonly<Record<string, VerifyClient>>;
  /** How long the simulator takes to answer a start or a check. */
  simulate(latencyMs: readonly [number, number] | undefined): Promise<void>;
  /** By number. */
  codes(): Promise<ReadonlyMap<string, string>>;
}

async function startContenders(platform: BenchPlatform): Promise<Contenders> {
  const many = { sends: 1_000_000, per: 'PT1H' };
  const {
    url: simulator,
    env,
    tokens,
  } = await platform.simulator({
    verify: {
      services: { default: { sid: serviceSid, friendlyName: 'Demo', customCode: true } },
      limits: { tenant: many },
      guard: 'observe',
    },
  });
  const database = await platform.database('verify-svc', 'bench_verify');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = await startNode(
    'verify-svc',
    ['apps/verify-svc/dist/main.js'],
    {
      ...env,
      PORT: String(port),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      KAFKA_BROKERS: platform.brokers,
      DATABASE_URL: database.url,
      HASH_KEY: randomBytes(32).toString('hex'),
    },
    () => answers(`${url}/healthz`),
  );
  const tenant = await tenantOf(env);
  const control = async (what: string, body: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${simulator}/_sim/${what}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`the simulator refuses ${what}: ${await answer.text()}`);
  };
  return {
    clients: {
      [asItComes]: sdkAsItComes(tenant),
      [onUndici]: sdkOnUndici(tenant),
      [ours]: overHttp(url, tokens.send),
    },
    async simulate(latencyMs) {
      // It keeps all it ever sent, and lists it for the codes.
      await control('reset', {});
      await control('faults', { operations: ['create', 'check'], ...(latencyMs && { latencyMs }) });
    },
    async codes() {
      const listed = (await (await fetch(`${simulator}/_sim/verifications`)).json()) as { to: string; code: string }[];
      return new Map(listed.map(({ to, code }) => [to, code]));
    },
    async [Symbol.asyncDispose]() {
      await service.kill();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function tenantOf(env: NodeJS.ProcessEnv): Promise<Tenant> {
  const tenant = (await loadTenants(path.resolve(env['TENANTS_FILE'] ?? ''), env)).byName('demo');
  if (!tenant) throw new Error('the tenant file has no demo');
  return tenant;
}
