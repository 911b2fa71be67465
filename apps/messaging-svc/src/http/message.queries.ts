import { toE164 } from '@signalbox/twilio';
import type { DataSource } from 'typeorm';
import { type AttemptRow, toAttempt } from '../dispatch/attempt.store.ts';
import { type MessageRow, toMessage } from '../message/message.store.ts';
import type { ListQuery, MessagePageBody, MessageStory } from './message.schemas.ts';
import { summarise, tellStory } from './story.rules.ts';

/** Undefined for a message that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<MessageStory | undefined> {
  const [row] = await db.query<(MessageRow & { redacted_at: Date | null })[]>(
    'select * from messages where id = $1 and tenant = $2',
    [id, tenant],
  );
  if (!row) return undefined;
  const [attempts, lines] = await Promise.all([
    db.query<AttemptRow[]>('select * from attempts where message_id = $1 order by number', [id]),
    db.query<{ at: Date; kind: string; detail: Record<string, unknown> }[]>(
      'select at, kind, detail from message_history where message_id = $1 order by id',
      [id],
    ),
  ]);
  return tellStory(
    toMessage(row),
    row.redacted_at?.toISOString() ?? null,
    attempts.map(toAttempt),
    lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  );
}

/** Newest first, by keyset: a page costs the same however deep it is. */
export async function listMessages(db: DataSource, tenant: string, query: ListQuery): Promise<MessagePageBody> {
  const parameters: unknown[] = [tenant];
  const conditions = ['tenant = $1'];
  const add = (condition: (parameter: string) => string, value: unknown) => {
    parameters.push(value);
    conditions.push(condition(`$${parameters.length}`));
  };
  if (query.to !== undefined) add((p) => `recipient = ${p}`, asStored(query.to));
  if (query.state !== undefined) add((p) => `state = ${p}`, query.state);
  if (query.inDoubt) conditions.push(`id in (select message_id from attempts where state = 'in_doubt')`);
  if (query.idempotencyKey !== undefined) add((p) => `idempotency_key = ${p}`, query.idempotencyKey);
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
  if (after) {
    parameters.push(after.createdAt, after.id);
    conditions.push(`(created_at, id) < ($${parameters.length - 1}, $${parameters.length})`);
  }
  parameters.push(query.limit + 1);
  const rows = await db.query<MessageRow[]>(
    `select * from messages where ${conditions.join(' and ')}
     order by created_at desc, id desc limit $${parameters.length}`,
    parameters,
  );
  const messages = rows.slice(0, query.limit).map(toMessage);
  const last = messages.at(-1);
  return {
    messages: messages.map(summarise),
    nextCursor: last && rows.length > query.limit ? writeCursor(last.createdAt, last.id) : null,
  };
}

/** However a person writes a number, it is looked for as it is stored. */
function asStored(to: string): string {
  // An unescaped + of a query string arrives as a space.
  const written = to.replace(/^(whatsapp:)? (?=\d)/, '$1+');
  const number = toE164(written, written.startsWith('whatsapp:') ? 'whatsapp' : 'sms');
  return number.ok ? number.e164 : written;
}

function writeCursor(createdAt: string, id: string): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

function readCursor(cursor: string): { createdAt: string; id: string } | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([0-9a-f-]{36})$/.exec(
    Buffer.from(cursor, 'base64url').toString(),
  );
  if (!match?.[1] || !match[2] || Number.isNaN(Date.parse(match[1]))) throw new BadCursor();
  return { createdAt: match[1], id: match[2] };
}

export class BadCursor extends Error {
  override readonly name = 'BadCursor';
}
