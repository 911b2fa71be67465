import { newestFirst } from '@signalbox/domain-service';
import {
  type AccountHold,
  type AttemptRow,
  type Bucket,
  type Quotas,
  quotasOfQueue,
  readBuckets,
  toAttempt,
} from '@signalbox/outbound';
import { toE164 } from '@signalbox/twilio';
import type { DataSource } from 'typeorm';
import { attempts } from '../dispatch/attempt.store.ts';
import type { Message } from '../message/message.ts';
import { type MessageRow, toMessage } from '../message/message.store.ts';
import type { ListQuery, MessagePageBody, MessageStory } from './message.schemas.ts';
import { summarise, tellStory } from './story.rules.ts';
import { countedAhead, type Line } from './waiting.rules.ts';

/** What holds messages up and is not in the database. */
export interface Outlook {
  readonly quotas: Quotas;
  readonly hold: AccountHold | null;
}

/** Undefined for a message that does not exist or is another tenant's. */
export async function findStory(
  db: DataSource,
  tenant: string,
  id: string,
  outlook: Outlook,
): Promise<MessageStory | undefined> {
  const [row] = await db.query<(MessageRow & { redacted_at: Date | null })[]>(
    'select * from messages where id = $1 and tenant = $2',
    [id, tenant],
  );
  if (!row) return undefined;
  const [tried, lines] = await Promise.all([
    db.query<AttemptRow[]>(`select ${attempts.names} from attempts a where message_id = $1 order by number`, [id]),
    db.query<{ at: Date; kind: string; detail: Record<string, unknown> }[]>(
      'select at, kind, detail from message_history where message_id = $1 order by id',
      [id],
    ),
  ]);
  const message = toMessage(row);
  return tellStory(
    message,
    row.redacted_at?.toISOString() ?? null,
    tried.map(toAttempt),
    lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
    await lineOf(db, message, outlook),
  );
}

async function lineOf(db: DataSource, message: Message, outlook: Outlook): Promise<Line> {
  const now = new Date();
  const line = { ...outlook, now, buckets: new Map<string, Bucket>(), ahead: 0 };
  if (message.dueAt === null || message.dueAt > now.toISOString()) return line;
  const refs = quotasOfQueue(outlook.quotas, message.queue).map(({ scope }) => ({ tenant: message.tenant, scope }));
  // A transaction, because a prepared statement wants one connection.
  const buckets = refs.length > 0 ? await db.transaction((tx) => readBuckets(tx, refs)) : line.buckets;
  const [counted] = await db.query<{ ahead: number }[]>(aheadOf, [message.id, countedAhead]);
  return { ...line, buckets, ahead: counted?.ahead ?? 0 };
}

const aheadOf = `
  select count(*)::int as ahead from (
    select from messages m join messages line
      on line.lane = m.lane and line.tenant = m.tenant and line.queue = m.queue and line.due_at < m.due_at
    where m.id = $1 limit $2) before`;

export async function listMessages(db: DataSource, tenant: string, query: ListQuery): Promise<MessagePageBody> {
  const { to, state, idempotencyKey, inDoubt } = query;
  const where = { tenant, recipient: to && asStored(to), state, idempotency_key: idempotencyKey };
  const and = [inDoubt ? `id in (select message_id from attempts where state = 'in_doubt')` : undefined];
  const { rows, nextCursor } = await newestFirst<MessageRow>(db, { table: 'messages', where, and }, query);
  return { messages: rows.map(toMessage).map(summarise), nextCursor };
}

/** However a person writes a number, it is looked for as it is stored. */
function asStored(to: string): string {
  // An unescaped + of a query string arrives as a space.
  const written = to.replace(/^(whatsapp:)? (?=\d)/, '$1+');
  const number = toE164(written, written.startsWith('whatsapp:') ? 'whatsapp' : 'sms');
  return number.ok ? number.e164 : written;
}
