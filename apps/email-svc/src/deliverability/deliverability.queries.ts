import { run, type Transaction } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { keyOf, type StreamKey, type StreamName } from './count.rules.ts';
import { readHours } from './count.store.ts';
import type { StreamView } from './deliverability.schemas.ts';
import { newStream, ratesOf, type Stream, windowOf } from './stream.state.ts';
import { readStreams } from './stream.store.ts';
import { type Policies, policyOf, toHours, windowMs } from './watch.ts';

/** Streams of a tenant that sent something lately, or are held back, in the order of their names. */
export async function streamsOf(tx: Transaction, tenant: Tenant, now: Date): Promise<StreamView[]> {
  const policy = policyOf(tenant);
  const known = new Map((await readStreams(tx, { tenant: tenant.name })).map((stream) => [keyOf(stream), stream]));
  const hours = Map.groupBy(
    await readHours(tx, new Date(now.getTime() - windowMs(policy)), { tenants: [tenant.name] }),
    keyOf,
  );
  const first = [...hours.values()].flatMap(([one]) => one ?? []);
  const streams = [
    ...known.values(),
    ...first
      .filter((one) => !known.has(keyOf(one)))
      .map(({ stream, provider }) => newStream({ tenant: tenant.name, stream, provider }, now)),
  ];
  return streams
    .map((stream) => viewOf(stream, windowOf(toHours(hours.get(keyOf(stream)) ?? []), stream, policy.window, now)))
    .filter(({ state, counts }) => state !== 'ok' || counts.attempted > 0 || counts.complaints > 0 || counts.opens > 0)
    .sort((a, b) => compare(a.stream, b.stream) || compare(a.mailboxProvider, b.mailboxProvider));
}

export function viewOf(stream: Stream, counts: ReturnType<typeof windowOf>): StreamView {
  const rates = ratesOf(counts);
  return {
    stream: stream.stream,
    mailboxProvider: stream.provider,
    state: stream.state,
    reason: stream.reason,
    since: stream.state === 'ok' && stream.by === null ? null : stream.since,
    until: stream.until,
    by: stream.by,
    why: stream.why,
    counts: {
      attempted: counts.attempted,
      delivered: counts.delivered,
      hardBounces: counts.hard_bounces,
      softBounces: counts.soft_bounces,
      blocks: counts.blocks,
      complaints: counts.complaints,
      opens: counts.opens,
      machineOpens: counts.machine_opens,
    },
    rates: { complaints: rates.complaints.rate, bounces: rates.bounces.rate, blocks: rates.blocks.rate },
  };
}

/** The rates of streams that have the volume to be judged. */
export async function ratesInForce(
  tx: Transaction,
  policies: Policies,
  now: Date,
): Promise<(StreamKey & { measure: string; rate: number })[]> {
  const known = new Map((await readStreams(tx)).map((stream) => [keyOf(stream), stream]));
  const hours = Map.groupBy(await readHours(tx, new Date(now.getTime() - policies.longestMs())), keyOf);
  return [...hours].flatMap(([key, ofStream]) => {
    const [one] = ofStream;
    if (!one) return [];
    const { tenant, stream, provider } = one;
    const policy = policies.of(tenant);
    const held = known.get(key) ?? newStream(one, now);
    return Object.entries(ratesOf(windowOf(toHours(ofStream), held, policy.window, now)))
      .filter(([, { volume }]) => volume >= policy.minVolume)
      .map(([measure, { rate }]) => ({ tenant, stream, provider, measure, rate }));
  });
}

/** Streams that are throttled or stopped. */
export async function heldBack(tx: Transaction): Promise<(StreamKey & { state: string })[]> {
  const { rows } = await run<{ tenant: string; stream: StreamName; provider: string; state: string }>(
    tx,
    `select tenant, stream, provider, state from email_streams where state <> 'ok'`,
  );
  return rows;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
