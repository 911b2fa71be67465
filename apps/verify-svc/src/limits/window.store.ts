import { columns, run, runPrepared, type Transaction, type Write } from '@signalbox/persistence';
import type { Window } from './window.rules.ts';

export interface LockedWindows {
  readonly windows: ReadonlyMap<string, Window>;
  /** The database's time once all are locked, in milliseconds since 1970: one clock for every replica. */
  readonly now: number;
}

/** Locks the windows of these keys, in key order, until the transaction ends; what is not there yet is made. */
export async function lockWindows(tx: Transaction, keys: Iterable<string>): Promise<LockedWindows> {
  // One statement that makes and locks in one order: two of them can wait for each other, but never in a circle.
  const sorted = [...new Set(keys)].sort((a, b) => (a < b ? -1 : 1));
  const rows = columns(sorted, { key: 'text' }, (key) => ({ key }));
  const { rows: locked } = await runPrepared<{ key: string; at: string[]; sends: number[]; now: Date }>(
    tx,
    `insert into send_windows as w (key, at, sends, expires_at)
     select key, '{}', '{}', clock_timestamp() from ${rows.as('n')}
     on conflict (key) do update set expires_at = w.expires_at
     returning w.key, w.at, w.sends, clock_timestamp() as now`,
    rows.parameters,
  );
  const windows = locked.map(({ key, at, sends }): Window => ({ key, at: at.map(Number), sends }));
  return {
    windows: new Map(windows.map((window) => [window.key, window])),
    now: locked.length > 0 ? Math.max(...locked.map(({ now }) => now.getTime())) : Date.now(),
  };
}

/** Saves windows that are locked. */
export function windowsTaken(taken: readonly { window: Window; expiresAt: Date }[]): Write {
  if (taken.length === 0) return undefined;
  const rows = columns(
    taken,
    { key: 'text', at: 'jsonb', sends: 'jsonb', expires_at: 'timestamptz' },
    ({ window: { key, at, sends }, expiresAt }) => ({ key, at, sends, expires_at: expiresAt }),
  );
  return (first) => ({
    sql: `update send_windows w
     set at = array(select v::bigint from jsonb_array_elements_text(n.at) with ordinality as e (v, i) order by i),
         sends = array(select v::integer from jsonb_array_elements_text(n.sends) with ordinality as e (v, i) order by i),
         expires_at = n.expires_at
     from ${rows.as('n', first)} where w.key = n.key`,
    parameters: rows.parameters,
  });
}

export async function deleteEmptyWindows(tx: Transaction, now: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `delete from send_windows where key in (
       select key from send_windows where expires_at < $1 order by expires_at limit $2 for update skip locked)`,
    [now, limit],
  );
  return affected;
}
