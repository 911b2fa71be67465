import { run, type Transaction } from '@signalbox/persistence';
import type { WarmupCaps, WarmupSetting, WarmupSettings } from './warmup.rules.ts';

interface SettingRow {
  readonly tenant: string;
  readonly pool: string;
  readonly plan_start: string;
  readonly day: number;
  readonly since: string;
  readonly paused: boolean;
  readonly caps: WarmupCaps;
}

/** What was set at run time, by tenant and pool. */
export async function readSettings(tx: Transaction): Promise<Map<string, WarmupSettings>> {
  const { rows } = await run<SettingRow>(tx, 'select * from warmup_settings order by tenant, pool');
  const byTenant = new Map<string, Map<string, WarmupSetting>>();
  for (const row of rows) {
    const settings = byTenant.get(row.tenant) ?? new Map<string, WarmupSetting>();
    byTenant.set(row.tenant, settings.set(row.pool, toSetting(row)));
  }
  return byTenant;
}

/** Locks all settings of a tenant against other changes, also those that are not there yet. */
export async function lockSettings(tx: Transaction, tenant: string): Promise<Map<string, WarmupSetting>> {
  await run(tx, `select pg_advisory_xact_lock(hashtextextended('warmup ' || $1, 0))`, [tenant]);
  const { rows } = await run<SettingRow>(tx, 'select * from warmup_settings where tenant = $1', [tenant]);
  return new Map(rows.map((row) => [row.pool, toSetting(row)]));
}

export async function putSetting(tx: Transaction, tenant: string, setting: WarmupSetting): Promise<void> {
  const { pool, planStart, day, since, paused, caps } = setting;
  await run(
    tx,
    `insert into warmup_settings (tenant, pool, plan_start, day, since, paused, caps, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, now())
     on conflict (tenant, pool) do update
     set plan_start = excluded.plan_start, day = excluded.day, since = excluded.since, paused = excluded.paused,
         caps = excluded.caps, updated_at = excluded.updated_at`,
    [tenant, pool, planStart, day, since, paused, JSON.stringify(caps)],
  );
}

/** Whether there was one. */
export async function deleteSetting(tx: Transaction, tenant: string, pool: string): Promise<boolean> {
  const { affected } = await run(tx, 'delete from warmup_settings where tenant = $1 and pool = $2', [tenant, pool]);
  return affected > 0;
}

function toSetting({ pool, plan_start: planStart, day, since, paused, caps }: SettingRow): WarmupSetting {
  return { pool, planStart, day, since, paused, caps };
}
