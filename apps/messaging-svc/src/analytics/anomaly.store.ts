import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import { type Anomaly, scopeKey, toAnomalyEvent } from './anomaly.rules.ts';

const outbox = new Outbox();

interface AnomalyRow {
  readonly id: string;
  readonly tenant: string;
  readonly kind: Anomaly['kind'];
  readonly scope: Record<string, string>;
  readonly opened_at: Date;
  readonly closed_at: Date | null;
  readonly volume: number;
  readonly rate: number;
  readonly baseline: number;
}

export async function openAnomalies(tx: Transaction): Promise<Anomaly[]> {
  const { rows } = await run<AnomalyRow>(tx, 'select * from anomalies where closed_at is null order by id for update');
  return rows.map(toAnomaly);
}

/** The open ones, and those opened since. */
export async function recentAnomalies(tx: Transaction, tenant: string, since: Date, limit: number): Promise<Anomaly[]> {
  const { rows } = await run<AnomalyRow>(
    tx,
    `select * from anomalies where tenant = $1 and (closed_at is null or opened_at >= $2)
     order by opened_at desc, id desc limit $3`,
    [tenant, since, limit],
  );
  return rows.map(toAnomaly);
}

/** Saves anomalies that opened, closed or went on; the first two with their events. */
export async function saveAnomalies(
  tx: Transaction,
  { opened, closed, kept }: Record<'opened' | 'closed' | 'kept', readonly Anomaly[]>,
): Promise<void> {
  if (opened.length + closed.length + kept.length === 0) return;
  const rows = columns(
    [...closed, ...kept, ...opened],
    {
      id: 'uuid',
      tenant: 'text',
      kind: 'text',
      scope: 'jsonb',
      scope_key: 'text',
      opened_at: 'timestamptz',
      closed_at: 'timestamptz',
      volume: 'integer',
      rate: 'double precision',
      baseline: 'double precision',
    },
    (anomaly) => ({
      ...anomaly,
      scope_key: scopeKey(anomaly.scope),
      opened_at: anomaly.openedAt,
      closed_at: anomaly.closedAt,
    }),
  );
  await run(
    tx,
    `insert into anomalies (${rows.names}) select * from ${rows.as('n')}
     on conflict (id) do update
     set closed_at = excluded.closed_at, volume = excluded.volume, rate = excluded.rate`,
    rows.parameters,
  );
  await outbox.append(tx, [...closed, ...opened].map(toAnomalyEvent));
}

/** How many are open, by kind. */
export async function countOpen(tx: Transaction): Promise<Map<string, number>> {
  const { rows } = await run<{ kind: string; count: number }>(
    tx,
    'select kind, count(*)::int as count from anomalies where closed_at is null group by kind',
  );
  return new Map(rows.map(({ kind, count }) => [kind, count]));
}

function toAnomaly(row: AnomalyRow): Anomaly {
  return {
    id: row.id,
    tenant: row.tenant,
    kind: row.kind,
    scope: row.scope,
    openedAt: row.opened_at.toISOString(),
    closedAt: row.closed_at?.toISOString() ?? null,
    volume: row.volume,
    rate: row.rate,
    baseline: row.baseline,
  };
}
