import { newestFirst } from '@signalbox/domain-service';
import {
  type AccountHold,
  type AttemptRow,
  type Bucket,
  type Buckets,
  type Quotas,
  readBuckets,
  toAttempt,
  waysOfQueue,
} from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import type { DataSource } from 'typeorm';
import { attempts as attemptStore } from '../dispatch/attempt.store.ts';
import { streamKeyOf } from '../deliverability/count.rules.ts';
import { readStreams } from '../deliverability/stream.store.ts';
import { readAddress } from '../email/address.rules.ts';
import type { Email } from '../email/email.ts';
import { type EmailRow, toEmail } from '../email/email.store.ts';
import { waysOf } from '../warmup/pool.rules.ts';
import type { EmailPageBody, EmailStory, ListQuery } from './email.schemas.ts';
import { summarise, tellStory } from './story.rules.ts';
import type { Line } from './waiting.rules.ts';

/** What holds emails up and is not in the database. */
export interface Outlook {
  readonly quotas: Quotas;
  readonly hold: AccountHold | null;
}

/** Undefined for an email that does not exist or is another tenant's. */
export async function findStory(
  db: DataSource,
  tenant: Pick<Tenant, 'name' | 'email'>,
  id: string,
  outlook: Outlook,
): Promise<EmailStory | undefined> {
  const [row] = await db.query<(EmailRow & { redacted_at: Date | null })[]>(
    'select * from emails where id = $1 and tenant = $2',
    [id, tenant.name],
  );
  if (!row) return undefined;
  const [attempts, lines] = await Promise.all([
    db.query<AttemptRow[]>(`select ${attemptStore.names} from attempts a where a.email_id = $1 order by a.number`, [
      id,
    ]),
    db.query<{ at: Date; kind: string; detail: Record<string, unknown> }[]>(
      'select at, kind, detail from email_history where email_id = $1 order by id',
      [id],
    ),
  ]);
  const email = toEmail(row);
  const story = tellStory(
    email,
    attempts.map(toAttempt),
    lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
    await lineOf(db, tenant, email, outlook),
  );
  return { ...story, redactedAt: row.redacted_at?.toISOString() ?? null };
}

async function lineOf(db: DataSource, tenant: Pick<Tenant, 'email'>, email: Email, outlook: Outlook): Promise<Line> {
  const onAnyWay = new Set(waysOfQueue(outlook.quotas, email.queue).flat());
  const refs = [...onAnyWay].map(({ scope }) => ({ tenant: email.tenant, scope }));
  // A transaction, because a prepared statement wants one connection.
  return db.transaction(async (tx) => {
    const buckets: Buckets = refs.length > 0 ? await readBuckets(tx, refs) : new Map<string, Bucket>();
    // On whichever way, it has the same stream.
    const [way = email] = waysOf(tenant, email, outlook.quotas);
    const [stream] = email.lane === 'critical' ? [] : await readStreams(tx, streamKeyOf(way));
    return { ...outlook, now: new Date(), buckets, stream };
  });
}

export async function listEmails(db: DataSource, tenant: string, query: ListQuery): Promise<EmailPageBody> {
  const { to, state, idempotencyKey, inDoubt } = query;
  const recipient = to && (readAddress(to)?.email ?? to);
  const where = { tenant, recipient, state, idempotency_key: idempotencyKey };
  const and = [inDoubt ? `id in (select email_id from attempts where state = 'in_doubt')` : undefined];
  const { rows, nextCursor } = await newestFirst<EmailRow>(db, { table: 'emails', where, and }, query);
  return { emails: rows.map(toEmail).map(summarise), nextCursor };
}
