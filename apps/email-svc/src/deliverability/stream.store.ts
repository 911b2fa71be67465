import { deleteQuota, putQuota, type Scope, scopeKey } from '@signalbox/outbound';
import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import type { QuotaLimits } from '@signalbox/tenants';
import type { Counts, StreamKey, StreamName } from './count.rules.ts';
import { type StreamMove, toEvents } from './stream.events.ts';
import type { Reason, Stream, StreamState } from './stream.state.ts';

const outbox = new Outbox();

/** Whoever decides about streams holds this, so that nobody decides on what another is changing. */
export const streamsWork = 'deliverability';

const streamColumns = {
  tenant: 'text',
  stream: 'text',
  provider: 'text',
  state: 'text',
  restriction: 'uuid',
  reason: 'text',
  since: 'timestamptz',
  until: 'timestamptz',
  volume: 'integer',
  rate: 'double precision',
  threshold: 'double precision',
  by: 'text',
  why: 'text',
  forgiven_at: 'timestamptz',
  forgiven: 'jsonb',
} as const;

const assignments = Object.keys(streamColumns)
  .slice(3)
  .map((name) => `${name} = excluded.${name}`)
  .join(', ');

interface StreamRow {
  readonly tenant: string;
  readonly stream: StreamName;
  readonly provider: string;
  readonly state: StreamState;
  readonly restriction: string | null;
  readonly reason: Reason | null;
  readonly since: Date;
  readonly until: Date | null;
  readonly volume: number;
  readonly rate: number;
  readonly threshold: number;
  readonly by: string | null;
  readonly why: string | null;
  readonly forgiven_at: Date | null;
  readonly forgiven: Counts | null;
}

/** Waits until nobody else decides about streams; until the transaction ends. */
export async function decideAlone(tx: Transaction): Promise<void> {
  await run(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [streamsWork]);
}

/** Streams of which something is known besides their counts; of one tenant, or of all. */
export async function readStreams(tx: Transaction, only?: { readonly tenant: string } & Partial<StreamKey>) {
  const { rows } = await run<StreamRow>(
    tx,
    `select * from email_streams where ($1::text is null or tenant = $1) and ($2::text is null or stream = $2)
       and ($3::text is null or provider = $3) order by tenant, stream, provider`,
    [only?.tenant ?? null, only?.stream ?? null, only?.provider ?? null],
  );
  return rows.map(toStream);
}

/** Saves streams; those that moved with a line of their history and the events of it. */
export async function saveStreams(tx: Transaction, moves: readonly StreamMove[]): Promise<void> {
  if (moves.length === 0) return;
  const rows = columns(moves, streamColumns, ({ after }) => ({
    ...after,
    forgiven_at: after.forgivenAt,
    forgiven: after.forgiven,
  }));
  await run(
    tx,
    `insert into email_streams (${rows.names}) select * from ${rows.as('n')} order by 1, 2, 3
     on conflict (tenant, stream, provider) do update set ${assignments}`,
    rows.parameters,
  );
  // Who stops what is stopped already is noted as well.
  const moved = moves.filter(
    ({ before, after }) => before.state !== after.state || before.by !== after.by || before.why !== after.why,
  );
  if (moved.length === 0) return;
  const lines = columns(
    moved,
    {
      tenant: 'text',
      stream: 'text',
      provider: 'text',
      at: 'timestamptz',
      previous: 'text',
      state: 'text',
      reason: 'text',
      volume: 'integer',
      rate: 'double precision',
      threshold: 'double precision',
      by: 'text',
      why: 'text',
    },
    ({ before, after, at }) => ({ ...after, at, previous: before.state }),
  );
  await run(tx, `insert into email_stream_changes (${lines.names}) select * from ${lines.as('n')}`, lines.parameters);
  await outbox.append(tx, moved.flatMap(toEvents));
}

export interface StreamChange extends StreamKey {
  readonly at: string;
  readonly previous: StreamState;
  readonly state: StreamState;
  readonly reason: Reason | null;
  readonly volume: number;
  readonly rate: number;
  readonly threshold: number;
  readonly by: string | null;
  readonly why: string | null;
}

/** What became of a tenant's streams, newest first. */
export async function recentChanges(tx: Transaction, tenant: string, limit: number): Promise<StreamChange[]> {
  const { rows } = await run<Omit<StreamChange, 'at'> & { at: Date }>(
    tx,
    `select tenant, stream, provider, at, previous, state, reason, volume, rate, threshold, by, why
     from email_stream_changes where tenant = $1 order by at desc, id desc limit $2`,
    [tenant, limit],
  );
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

/** A scope of `stream` and its limits. */
export interface StreamQuota {
  readonly tenant: string;
  readonly scope: Scope;
  readonly limits: Pick<QuotaLimits, 'rate' | 'dailyCap'>;
}

/**
 * Makes the quotas of streams those that are wanted, whatever they were. Whether anything changed.
 * @param tenant whose they are; left out: of all
 */
export async function imposeQuotas(
  tx: Transaction,
  wanted: readonly StreamQuota[],
  kind: string,
  tenant?: string,
): Promise<boolean> {
  const known = await imposedQuotas(tx, kind, tenant);
  const nameOf = ({ tenant: whose, scope }: StreamQuota) => `${whose} ${scopeKey(scope)}`;
  const keyed = new Map(known.map((quota) => [nameOf(quota), quota]));
  const changed = wanted.filter((quota) => {
    const now = keyed.get(nameOf(quota))?.limits;
    return !now || now.rate !== (quota.limits.rate ?? null) || now.dailyCap !== (quota.limits.dailyCap ?? null);
  });
  const names = new Set(wanted.map(nameOf));
  const gone = known.filter((quota) => !names.has(nameOf(quota)));
  // Streams move one by one, and seldom.
  for (const quota of changed) await putQuota(tx, quota.tenant, quota.scope, quota.limits);
  for (const quota of gone) await deleteQuota(tx, quota.tenant, quota.scope);
  return changed.length + gone.length > 0;
}

export async function imposedQuotas(tx: Transaction, kind: string, tenant?: string): Promise<StreamQuota[]> {
  const { rows } = await run<{ tenant: string; scope: string; rate: number | null; daily_cap: number | null }>(
    tx,
    `select tenant, scope, rate, daily_cap from quotas
     where starts_with(scope, $1) and ($2::text is null or tenant = $2)`,
    [`${kind}:`, tenant ?? null],
  );
  return rows.map(({ tenant: whose, scope, rate, daily_cap }) => ({
    tenant: whose,
    scope: { kind, value: scope.slice(kind.length + 1) },
    limits: { rate, dailyCap: daily_cap },
  }));
}

function toStream(row: StreamRow): Stream {
  const { forgiven_at, since, until, ...rest } = row;
  return {
    ...rest,
    since: since.toISOString(),
    until: until?.toISOString() ?? null,
    forgivenAt: forgiven_at?.toISOString() ?? null,
  };
}
