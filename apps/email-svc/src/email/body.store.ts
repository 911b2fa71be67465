import { createHash } from 'node:crypto';
import type { SendEmailCommand } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';

/**
 * What is large of emails: text, HTML, attachments. It stands apart from their rows, once for all emails that have the same, and
 * goes when the last of them is with the provider or has ended.
 */
export interface EmailBody {
  readonly text: string | null;
  readonly html: string | null;
  readonly attachments: SendEmailCommand['attachments'];
}

/** A body in use is touched this often at most, so that a campaign does not rewrite its one row for every email. */
const touchEvery = `interval '1 minute'`;

/** So long a body stays that no email needs: longer than any transaction that may be about to use it. */
const keptFor = `interval '10 minutes'`;

/** A digest of all that emails have in common which may go through one call of the provider. */
export function bodyKeyOf(common: object): string {
  return createHash('sha256').update(JSON.stringify(common)).digest('base64url');
}

/** Keeps bodies by their key, each once. */
export async function keepBodies(tx: Transaction, bodies: ReadonlyMap<string, EmailBody>): Promise<void> {
  if (bodies.size === 0) return;
  const rows = columns([...bodies], { key: 'text', body: 'jsonb' }, ([key, body]) => ({ key, body }));
  await run(
    tx,
    // Nothing is locked of a body that is there: emails of one campaign must not wait for each other.
    `insert into email_bodies (key, body, used_at) select n.key, n.body, now() from ${rows.as('n')} order by n.key
     on conflict do nothing`,
    rows.parameters,
  );
  await run(
    tx,
    `update email_bodies b set used_at = now() where b.key = any($1) and b.used_at < now() - ${touchEvery}`,
    [[...bodies.keys()].sort()],
  );
}

export async function readBodies(tx: Transaction, keys: readonly string[]): Promise<Map<string, EmailBody>> {
  const { rows } = await run<{ key: string; body: EmailBody }>(
    tx,
    'select key, body from email_bodies where key = any($1)',
    [keys],
  );
  return new Map(rows.map(({ key, body }) => [key, body]));
}

/** Removes bodies that no email needs any more; returns how many were looked at, up to `limit`. */
export async function sweepBodies(tx: Transaction, limit: number): Promise<number> {
  const { rows } = await run<{ key: string; needed: boolean }>(
    tx,
    `select key, exists (select from emails e where e.body_key = b.key and e.unsent) as needed
     from email_bodies b where used_at < now() - ${keptFor} order by used_at limit $1 for update skip locked`,
    [limit],
  );
  const keys = (needed: boolean) => rows.filter((row) => row.needed === needed).map(({ key }) => key);
  await run(tx, 'delete from email_bodies where key = any($1)', [keys(false)]);
  // So that those of emails which wait for weeks do not stand in the way of the others.
  await run(tx, 'update email_bodies set used_at = now() where key = any($1)', [keys(true)]);
  return rows.length;
}
