import { isAlone } from '@signalbox/domain-service';
import type { Transaction } from '@signalbox/persistence';
import { countryOfNumber } from '@signalbox/twilio';
import { v7 as uuidv7 } from 'uuid';
import { type Anomaly, baselineOf, judge, type Look, rateOf, scopeKey } from './anomaly.rules.ts';
import { openAnomalies, saveAnomalies } from './anomaly.store.ts';
import { saveBlocks, standingBlocks } from './block.store.ts';
import { readLooks, recentNumbers, windowStart } from './look.queries.ts';
import { isSudden, looksPumped, type PrefixLook, type Sign, signsOf } from './pumping.rules.ts';

export interface WatchPolicy {
  /** Messages in the window below which nothing is said of a scope. */
  readonly minVolume: number;
  readonly blockMs: number;
  /** Where a tenant has senders; ISO 3166. */
  readonly homeCountries: (tenant: string) => ReadonlySet<string>;
}

interface Changes {
  opened: Anomaly[];
  closed: Anomaly[];
  kept: Anomaly[];
}

/** Opens and closes anomalies and blocks prefixes, with the events of it, in one transaction of one replica. */
export async function watch(tx: Transaction, policy: WatchPolicy, now: Date): Promise<void> {
  if (!(await isAlone(tx, 'watch'))) return;
  const { looks, prefixes } = await readLooks(tx, now);
  const open = await openAnomalies(tx);
  const pumped = await findPumping(tx, prefixes, policy, now);
  await saveBlocks(tx, pumped, now, new Date(now.getTime() + policy.blockMs));
  const blocked = (await standingBlocks(tx, now)).filter(({ lifted_at }) => lifted_at === null);

  const rates = judgeRates(open.filter(isKind('failure_rate')), looks, policy.minVolume, now);
  const pumping = followBlocks(open.filter(isKind('sms_pumping')), blocked, prefixes, now);
  await saveAnomalies(tx, {
    opened: [...rates.opened, ...pumping.opened],
    closed: [...rates.closed, ...pumping.closed],
    kept: [...rates.kept, ...pumping.kept],
  });
}

const isKind = (kind: Anomaly['kind']) => (anomaly: Anomaly) => anomaly.kind === kind;

const keyOf = (tenant: string, scope: Anomaly['scope']) => `${tenant}:${scopeKey(scope)}`;

function judgeRates(open: readonly Anomaly[], looks: readonly Look[], minVolume: number, now: Date): Changes {
  const changes: Changes = { opened: [], closed: [], kept: [] };
  const at = now.toISOString();
  const lookOf = new Map(looks.map((look) => [keyOf(look.tenant, { [look.dimension]: look.value }), look]));
  for (const anomaly of open) {
    const look = lookOf.get(keyOf(anomaly.tenant, anomaly.scope));
    const seen = { volume: look?.volume ?? 0, failures: look?.failures ?? 0 };
    const over = !look || judge(anomaly, look, minVolume) === 'close';
    const next = { ...anomaly, volume: seen.volume, rate: rateOf(seen) };
    if (over) changes.closed.push({ ...next, closedAt: at });
    else changes.kept.push(next);
  }
  const known = new Set(open.map(({ tenant, scope }) => keyOf(tenant, scope)));
  for (const [key, look] of lookOf) {
    if (known.has(key) || judge(undefined, look, minVolume) !== 'open') continue;
    changes.opened.push({
      id: uuidv7(),
      tenant: look.tenant,
      kind: 'failure_rate',
      scope: { [look.dimension]: look.value },
      openedAt: at,
      closedAt: null,
      volume: look.volume,
      rate: rateOf(look),
      baseline: baselineOf(look),
    });
  }
  return changes;
}

async function findPumping(
  tx: Transaction,
  looks: readonly PrefixLook[],
  { minVolume, homeCountries }: WatchPolicy,
  now: Date,
): Promise<{ tenant: string; prefix: string; signs: Sign[] }[]> {
  const found = [];
  for (const look of looks) {
    const numbers = isSudden(look, minVolume) ? await recentNumbers(tx, look, windowStart(now)) : [];
    const country = countryOfNumber(numbers[0] ?? '');
    const isHome = country !== undefined && homeCountries(look.tenant).has(country);
    const signs = signsOf(look, numbers, minVolume, isHome);
    if (looksPumped(signs)) found.push({ tenant: look.tenant, prefix: look.prefix, signs });
  }
  return found;
}

/** An anomaly of pumping is open as long as its prefix is blocked. */
function followBlocks(
  open: readonly Anomaly[],
  blocked: readonly { tenant: string; prefix: string }[],
  looks: readonly PrefixLook[],
  now: Date,
): Changes {
  const at = now.toISOString();
  const wanted = new Map(blocked.map(({ tenant, prefix }) => [keyOf(tenant, { prefix }), { tenant, prefix }]));
  const closed = open
    .filter(({ tenant, scope }) => !wanted.has(keyOf(tenant, scope)))
    .map((anomaly) => ({ ...anomaly, closedAt: at }));
  for (const { tenant, scope } of open) wanted.delete(keyOf(tenant, scope));
  const opened = [...wanted.values()].map(({ tenant, prefix }): Anomaly => {
    const look = looks.find((candidate) => candidate.tenant === tenant && candidate.prefix === prefix);
    return {
      id: uuidv7(),
      tenant,
      kind: 'sms_pumping',
      scope: { prefix },
      openedAt: at,
      closedAt: null,
      volume: look?.handedOver ?? 0,
      rate: look ? rateOf(look) : 0,
      baseline: 0,
    };
  });
  return { opened, closed, kept: [] };
}

/** Closes the anomaly of a prefix whose block was lifted. */
export async function closePumping(tx: Transaction, tenant: string, prefix: string, now: Date): Promise<void> {
  const open = (await openAnomalies(tx)).filter(isKind('sms_pumping'));
  const closed = open.filter((anomaly) => anomaly.tenant === tenant && anomaly.scope['prefix'] === prefix);
  await saveAnomalies(tx, {
    opened: [],
    closed: closed.map((anomaly) => ({ ...anomaly, closedAt: now.toISOString() })),
    kept: [],
  });
}
