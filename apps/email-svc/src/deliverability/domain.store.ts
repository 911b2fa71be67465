import { columns, run, type Transaction } from '@signalbox/persistence';
import type { DomainReport } from './domain.rules.ts';

export interface SendingDomain {
  readonly tenant: string;
  readonly domain: string;
}

export interface CheckedDomain extends SendingDomain {
  /** Null before the first check. */
  readonly checkedAt: string | null;
  readonly report: DomainReport | null;
}

/** A domain that nobody has sent from for so long is forgotten. */
const keptDays = 30;

/** Notes from which domains is sent, and forgets the others. */
export async function noteDomains(tx: Transaction, seen: readonly SendingDomain[]): Promise<void> {
  const rows = columns(seen, { tenant: 'text', domain: 'text' });
  await run(
    tx,
    `insert into sending_domains (tenant, domain, seen_at, next_at)
     select distinct n.tenant, n.domain, now(), now() from ${rows.as('n')} order by 1, 2
     on conflict (tenant, domain) do update set seen_at = excluded.seen_at
     where sending_domains.seen_at < now() - interval '1 hour'`,
    rows.parameters,
  );
  await run(tx, `delete from sending_domains where seen_at < now() - interval '${keptDays} days'`);
}

/** Domains whose check is due; they are the caller's until the next one is. */
export async function takeDue(
  tx: Transaction,
  tenants: readonly string[],
  everyMs: number,
  limit: number,
): Promise<SendingDomain[]> {
  const { rows } = await run<SendingDomain>(
    tx,
    `update sending_domains d set next_at = now() + $2 * interval '1 millisecond'
     from (select tenant, domain from sending_domains where next_at <= now() and tenant = any($1)
           order by next_at limit $3 for update skip locked) due
     where d.tenant = due.tenant and d.domain = due.domain returning d.tenant, d.domain`,
    [tenants, everyMs, limit],
  );
  return rows;
}

/** Makes the checks of a tenant due now. */
export async function makeDue(tx: Transaction, tenant: string): Promise<void> {
  await run(tx, 'update sending_domains set next_at = now() where tenant = $1', [tenant]);
}

/** Keeps what a check found; one that could not find out everything comes again soon. */
export async function saveReport(
  tx: Transaction,
  { tenant, domain }: SendingDomain,
  report: DomainReport,
  againInMs: number | null,
): Promise<void> {
  await run(
    tx,
    `update sending_domains set checked_at = now(), report = $3,
       next_at = coalesce(now() + $4 * interval '1 millisecond', next_at)
     where tenant = $1 and domain = $2`,
    [tenant, domain, JSON.stringify(report), againInMs],
  );
}

/** Of one tenant, or of all. */
export async function readDomains(tx: Transaction, tenant?: string): Promise<CheckedDomain[]> {
  const { rows } = await run<SendingDomain & { checked_at: Date | null; report: DomainReport | null }>(
    tx,
    `select tenant, domain, checked_at, report from sending_domains
     where $1::text is null or tenant = $1 order by tenant, domain`,
    [tenant ?? null],
  );
  return rows.map(({ checked_at, ...row }) => ({ ...row, checkedAt: checked_at?.toISOString() ?? null }));
}
