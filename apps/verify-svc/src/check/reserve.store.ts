import { columns, type RunAlone } from '@signalbox/persistence';
import type { Verification } from '../verification/verification.ts';
import { toVerification, verificationNames, type VerificationRow } from '../verification/verification.store.ts';

export interface CheckAsked {
  readonly tenant: string;
  readonly id: string;
}

/** What a code may be checked against; null when it may not. */
export type Reserved = Verification | null;

/**
 * Counts checks before they are made, at most as many as a verification allows, whoever asks for how many at once. One statement
 * and one commit.
 */
export async function reserveChecks(runAlone: RunAlone, asked: readonly CheckAsked[]): Promise<Reserved[]> {
  const wanted = new Map<string, { id: string; tenant: string; checks: number }>();
  for (const { tenant, id } of asked) {
    const key = `${tenant} ${id}`;
    wanted.set(key, { id, tenant, checks: (wanted.get(key)?.checks ?? 0) + 1 });
  }
  const rows = columns([...wanted.values()], { id: 'uuid', tenant: 'text', checks: 'integer' });
  const { rows: counted } = await runAlone<VerificationRow & { before: number }>(
    `update verifications v set checks = v.checks + least(o.wanted, v.max_checks - v.checks)
     from (
       select k.id, k.checks as before, n.checks as wanted
       from verifications k join ${rows.as('n')} on k.id = n.id and k.tenant = n.tenant
       where k.state in ('accepted', 'pending') and k.checks < k.max_checks and k.expires_at > now()
       order by k.id for update of k
     ) o
     where v.id = o.id
     returning ${verificationNames('v')}, o.before`,
    rows.parameters,
  );
  const granted = new Map(
    counted.map((row) => [
      `${row.tenant} ${row.id}`,
      { verification: toVerification(row), left: row.checks - row.before },
    ]),
  );
  return asked.map(({ tenant, id }) => {
    const grant = granted.get(`${tenant} ${id}`);
    if (!grant || grant.left === 0) return null;
    grant.left -= 1;
    return grant.verification;
  });
}
