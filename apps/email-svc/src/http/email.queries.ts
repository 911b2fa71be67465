import {
  type AccountHold,
  type AttemptRow,
  type Bucket,
  type Buckets,
  type Quotas,
  quotasOfQueue,
  readBuckets,
  toAttempt,
} from '@signalbox/outbound';
import { writeCursor } from '@signalbox/service';
import type { DataSource } from 'typeorm';
import { attempts as attemptStore } from '../dispatch/attempt.store.ts';
import { readAddress } from '../email/address.rules.ts';
import type { Email } from '../email/email.ts';
import { type EmailRow, toEmail } from '../email/email.store.ts';
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
  tenant: string,
  id: string,
  outlook: Outlook,
): Promise<EmailStory | undefined> {
  const [row] = await db.query<EmailRow[]>('select * from emails where id = $1 and tenant = $2', [id, tenant]);
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
  return tellStory(
    email,
    attempts.map(toAttempt),
    lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
    await lineOf(db, email, outlook),
  );
}

async function lineOf(db: DataSource, email: Email, outlook: Outlook): Promise<Line> {
  const refs = quotasOfQueue(outlook.quotas, email.queue).map(({ scope }) => ({ tenant: email.tenant, scope }));
  // A transaction, because a prepared statement wants one connection.
  const buckets: Buckets =
    refs.length > 0 ? await db.transaction((tx) => readBuckets(tx, refs)) : new Map<string, Bucket>();
  return { ...outlook, now: new Date(), buckets };
}

/** Newest first, by keyset: a page costs the same however deep it is. */
export async function listEmails(db: DataSource, tenant: string, query: ListQuery): Promise<EmailPageBody> {
  const parameters: unknown[] = [tenant];
  const conditions = ['tenant = $1'];
  const add = (column: string, value: unknown) => {
    if (value === undefined) return;
    parameters.push(value);
    conditions.push(`${column} = $${parameters.length}`);
  };
  add('recipient', query.to && (readAddress(query.to)?.email ?? query.to));
  add('state', query.state);
  add('idempotency_key', query.idempotencyKey);
  if (query.inDoubt) conditions.push(`id in (select email_id from attempts where state = 'in_doubt')`);
  if (query.cursor) {
    parameters.push(query.cursor.at, query.cursor.id);
    conditions.push(`(created_at, id) < ($${parameters.length - 1}, $${parameters.length})`);
  }
  parameters.push(query.limit + 1);
  const rows = await db.query<EmailRow[]>(
    `select * from emails where ${conditions.join(' and ')}
     order by created_at desc, id desc limit $${parameters.length}`,
    parameters,
  );
  const emails = rows.slice(0, query.limit).map(toEmail);
  const last = emails.at(-1);
  return {
    emails: emails.map(summarise),
    nextCursor: last && rows.length > query.limit ? writeCursor({ at: last.createdAt, id: last.id }) : null,
  };
}
