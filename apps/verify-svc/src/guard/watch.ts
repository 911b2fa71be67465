import { isAlone } from '@signalbox/domain-service';
import type { Transaction } from '@signalbox/persistence';
import { type Block, newBlock } from './block.ts';
import { addBlocks, endBlocks, freedPrefixes, standingBlocks } from './block.store.ts';
import { addTraffic, type Counts, without } from './decay.rules.ts';
import { isProven, trafficOf } from './guard.rules.ts';
import {
  type Apart,
  countedFor,
  countsOf,
  findPumped,
  prefixKey,
  type Sum,
  sumUp,
  type WidePrefix,
} from './watch.rules.ts';
import { type Delta, readCounts, readStarts, takeDeltas, takeUnexcluded, writeCounts } from './watch.store.ts';

/** Rows of counts that one pass adds up. */
export const perPass = 20_000;

export interface WatchPolicy {
  readonly blockMs: number;
  /** Whether the tenant has senders in the country of a block of numbers. */
  readonly isHome: (tenant: string, block: string) => boolean;
}

export interface WatchResult {
  readonly taken: number;
  readonly began: readonly Block[];
  readonly ended: readonly Block[];
}

/**
 * One pass of one replica: adds up what was started and approved, blocks wider prefixes that look pumped, and ends blocks
 * whose time is over or whose numbers were approved after all.
 */
export async function watch(tx: Transaction, { blockMs, isHome }: WatchPolicy, now: Date): Promise<WatchResult> {
  if (!(await isAlone(tx, 'guard'))) return { taken: 0, began: [], ended: [] };
  const since = new Date(now.getTime() - blockMs);
  const { deltas, taken } = await takeDeltas(tx, perPass);

  const all = await standingBlocks(tx);
  const over = all.filter(({ expiresAt }) => expiresAt !== null && Date.parse(expiresAt) <= now.getTime());
  const expired = await endBlocks(tx, over.map(idOf), 'time', now);
  const guards = all.filter((block) => block.madeBy === 'guard' && !over.includes(block));

  // What led to a new block is counted as ever and then taken out, so that it is in the counts exactly once before.
  const fresh = new Set(await takeUnexcluded(tx));
  const freed = keysOf(await freedPrefixes(tx, now));
  const before: Apart = { freed, blocked: keysOf(guards.filter(({ id }) => !fresh.has(id))) };
  const explained = await explainedBy(
    tx,
    guards.filter(({ id, level }) => level === 'block' && fresh.has(id)),
    before,
    { since, now },
  );
  const sums = sumUp(deltas, before);
  for (const { prefix, block } of explained) {
    const key = prefixKey(prefix.tenant, prefix.prefix);
    if (!sums.has(key)) sums.set(key, { prefix, block, traffic: { started: 0, approved: 0 } });
  }
  const counts = await countsNow(tx, sums, now);
  for (const { prefix, counts: part } of explained) {
    const key = prefixKey(prefix.tenant, prefix.prefix);
    const known = counts.get(key);
    if (known) counts.set(key, without(known, part));
  }

  const pumped = findPumped(sums, counts, { freed, blocked: keysOf(guards) }, isHome);
  await writeCounts(tx, sums, counts);
  const blocks = pumped.map(({ prefix, ...facts }) => newBlock({ ...prefix, ...facts }, now, blockMs));
  const proven = await provenBlocks(tx, guards, deltas, counts, since);
  return {
    taken,
    began: await addBlocks(tx, blocks),
    ended: [...expired, ...(await endBlocks(tx, proven.map(idOf), 'conversion', now))],
  };
}

const idOf = ({ id }: Block) => id;

function keysOf(prefixes: readonly { tenant: string; prefix: string }[]): Set<string> {
  return new Set(prefixes.map(({ tenant, prefix }) => prefixKey(tenant, prefix)));
}

/** The counts of these prefixes with what was added to them. */
async function countsNow(tx: Transaction, sums: ReadonlyMap<string, Sum>, now: Date): Promise<Map<string, Counts>> {
  const stored = await readCounts(
    tx,
    [...sums.values()].map(({ prefix }) => prefix),
  );
  const before = new Map(stored.map(({ tenant, prefix, counts }) => [prefixKey(tenant, prefix), counts]));
  return new Map([...sums].map(([key, { traffic }]) => [key, addTraffic(before.get(key), traffic, now)]));
}

/**
 * What led to these blocks of a thousand numbers, for each prefix above them: it is explained, and the others under those are
 * not to suffer for it.
 */
async function explainedBy(
  tx: Transaction,
  blocks: readonly Block[],
  apart: Apart,
  { since, now }: { since: Date; now: Date },
): Promise<{ prefix: WidePrefix; block: string; counts: Counts }[]> {
  const starts = await readStarts(tx, blocks, since);
  return blocks.flatMap(({ tenant, prefix: block }) => {
    const counts = countsOf(
      starts.filter((start) => start.tenant === tenant && start.block === block),
      now,
    );
    return countedFor(tenant, block, apart).map((prefix) => ({ prefix, block, counts }));
  });
}

/** Blocks of the guard under which so many were approved since that they were a mistake. */
async function provenBlocks(
  tx: Transaction,
  guards: readonly Block[],
  deltas: readonly Delta[],
  counts: ReadonlyMap<string, Counts>,
  since: Date,
): Promise<Block[]> {
  const approved = deltas.filter((delta) => delta.approved > 0);
  const touched = guards.filter(({ tenant, prefix }) =>
    approved.some((delta) => delta.tenant === tenant && delta.block.startsWith(prefix)),
  );
  const starts = await readStarts(
    tx,
    touched.filter(({ level }) => level === 'block'),
    since,
  );
  return touched.filter(({ tenant, prefix, level }) => {
    if (level !== 'block')
      return isProven(counts.get(prefixKey(tenant, prefix))?.recent ?? { started: 0, approved: 0 });
    return isProven(trafficOf(starts.filter((start) => start.tenant === tenant && start.block === prefix)));
  });
}
