import { isDeepStrictEqual } from 'node:util';
import { isAlone } from '@signalbox/domain-service';
import type { Transaction } from '@signalbox/persistence';
import {
  defaultEmailDeliverability,
  type EmailDeliverability,
  type Tenant,
  type TenantDirectory,
} from '@signalbox/tenants';
import { Duration } from 'luxon';
import { v7 as uuidv7 } from 'uuid';
import { countsIn, keyOf, noCounts, type StreamKey } from './count.rules.ts';
import { fold, forgetOldHours, type HourOfStream, perFold, readHours } from './count.store.ts';
import { judge, lift, newStream, type Hour, stopByHand, type Stream } from './stream.state.ts';
import type { StreamMove } from './stream.events.ts';
import { limitsOf, streamQuota, throttledRateOf, valueOf } from './stream-quota.rules.ts';
import {
  decideAlone,
  imposedQuotas,
  imposeQuotas,
  readStreams,
  saveStreams,
  type StreamQuota,
  streamsWork,
} from './stream.store.ts';

/** What tenants allow their streams. */
export interface Policies {
  /** By a tenant's name. */
  of(tenant: string): EmailDeliverability;
  /** Of the longest window that any has. */
  longestMs(): number;
}

export function policyOf(tenant: Pick<Tenant, 'email'> | undefined): EmailDeliverability {
  return tenant?.email?.deliverability ?? defaultEmailDeliverability;
}

/** As the tenant file has it at any moment. */
export function policiesOf(tenants: Pick<TenantDirectory, 'all' | 'byName'>): Policies {
  return {
    of: (name) => policyOf(tenants.byName(name)),
    longestMs: () => Math.max(hourMs, ...tenants.all.map((tenant) => windowMs(policyOf(tenant)))),
  };
}

export function windowMs({ window }: Pick<EmailDeliverability, 'window'>): number {
  return Duration.fromISO(window).toMillis();
}

const hourMs = 3_600_000;

export interface Watched {
  /** False where another replica is at it. */
  readonly looked: boolean;
  readonly moves: readonly StreamMove[];
  /** Whether quotas of streams are others now. */
  readonly quotasChanged: boolean;
  /** Whether there are more counts to look at, at once. */
  readonly more: boolean;
}

const nothing = { moves: [], quotasChanged: false, more: false };

/**
 * Judges streams by what was counted, and holds them back accordingly, in one transaction of one replica.
 * @param everything also streams of which nothing new was counted
 */
export async function watchStreams(
  tx: Transaction,
  policies: Policies,
  now: Date,
  everything: boolean,
): Promise<Watched> {
  if (!(await isAlone(tx, streamsWork))) return { ...nothing, looked: false };
  const { deltas, tenants } = await fold(tx);
  if (deltas === 0 && !everything) return { ...nothing, looked: true };
  if (everything) await forgetOldHours(tx);
  const known = new Map((await readStreams(tx)).map((stream) => [keyOf(stream), stream]));
  const hours = await readHours(
    tx,
    new Date(now.getTime() - policies.longestMs()),
    everything ? undefined : { tenants },
  );
  const hoursOf = Map.groupBy(hours, keyOf);
  const seen = new Set([
    ...hoursOf.keys(),
    ...[...known].filter(([, { tenant }]) => everything || tenants.includes(tenant)).map(([key]) => key),
  ]);
  const moves = [...seen].flatMap((key): StreamMove[] => {
    const ofStream = hoursOf.get(key) ?? [];
    const before = known.get(key) ?? newStream(keyIn(ofStream), now);
    const policy = policies.of(before.tenant);
    const after = judge(before, toHours(ofStream), policy, now, uuidv7());
    return isDeepStrictEqual(before, after) ? [] : [{ before, after, at: now.toISOString(), enforced: policy.enforce }];
  });
  await saveStreams(tx, moves);
  for (const { after } of moves) known.set(keyOf(after), after);
  const quotasChanged = await holdBack(tx, [...known.values()], hoursOf, policies);
  return { looked: true, moves, quotasChanged, more: deltas >= perFold };
}

/** Stops a stream because a person says so, or tells whose stop it is already. */
export async function stopStream(
  tx: Transaction,
  key: StreamKey,
  said: { readonly by: string; readonly why: string },
  policies: Policies,
  now: Date,
): Promise<StreamMove> {
  await decideAlone(tx);
  const [known] = await readStreams(tx, key);
  const before = known ?? newStream(key, now);
  return decided(tx, before, stopByHand(before, said, now, uuidv7()), policies, now);
}

/** Lets a stream go because a person says so; undefined for one that is not held back. */
export async function liftStream(
  tx: Transaction,
  key: StreamKey,
  said: { readonly by: string; readonly why: string },
  policies: Policies,
  now: Date,
): Promise<StreamMove | undefined> {
  await decideAlone(tx);
  const [before] = await readStreams(tx, key);
  if (!before || before.state === 'ok') return undefined;
  const [thisHour] = await readHours(tx, now, { ...key, tenants: [key.tenant] });
  return decided(tx, before, lift(before, said, thisHour ? countsIn(thisHour) : noCounts, now), policies, now);
}

async function decided(
  tx: Transaction,
  before: Stream,
  after: Stream,
  policies: Policies,
  now: Date,
): Promise<StreamMove> {
  const { enforce } = policies.of(after.tenant);
  const move = { before, after, at: now.toISOString(), enforced: enforce };
  await saveStreams(tx, [move]);
  await holdBack(tx, await readStreams(tx, { tenant: after.tenant }), new Map(), policies, after.tenant);
  return move;
}

/** Makes the quotas of streams what their states ask for. A rate that is in force stays as long as its stream is throttled. */
async function holdBack(
  tx: Transaction,
  streams: readonly Stream[],
  hoursOf: ReadonlyMap<string, readonly HourOfStream[]>,
  policies: Policies,
  tenant?: string,
): Promise<boolean> {
  const inForce = new Map(
    (await imposedQuotas(tx, streamQuota.name, tenant)).map(({ tenant: whose, scope, limits }) => [
      `${whose} ${scope.value}`,
      limits.rate ?? null,
    ]),
  );
  const wanted = streams.flatMap((stream): StreamQuota[] => {
    const policy = policies.of(stream.tenant);
    const value = valueOf(stream);
    const rate = policy.throttledRate ?? inForce.get(`${stream.tenant} ${value}`);
    const limits = limitsOf(stream, rate ?? throttledRateOf(toHours(hoursOf.get(keyOf(stream)) ?? []), policy));
    // What a person stopped is stopped, whether or not the rules are to act.
    const acts = policy.enforce || stream.reason === 'operator';
    return limits && acts ? [{ tenant: stream.tenant, scope: { kind: streamQuota.name, value }, limits }] : [];
  });
  return imposeQuotas(tx, wanted, streamQuota.name, tenant);
}

export function toHours(hours: readonly HourOfStream[]): Hour[] {
  return hours.map((one) => ({ hour: one.hour, counts: countsIn(one) }));
}

function keyIn([first]: readonly HourOfStream[]): StreamKey {
  if (!first) throw new Error('a stream without hours is known already');
  const { tenant, stream, provider } = first;
  return { tenant, stream, provider };
}
