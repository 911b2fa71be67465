import type { EmailReceived } from '@signalbox/contracts';
import { writeCursor } from '@signalbox/service';
import type { DataSource } from 'typeorm';
import { readAddress } from '../email/address.rules.ts';
import type { InboundEmailView, InboundQuery, InboundSummary } from './inbound.schemas.ts';

interface InboundRow {
  readonly id: string;
  readonly received_at: Date;
  readonly redacted_at: Date | null;
  readonly email: EmailReceived;
}

/** Newest first, by keyset: a page costs the same however deep it is. */
export async function listInbound(
  db: DataSource,
  tenant: string,
  { from, to, kind, topic, inReplyTo, cursor, limit }: InboundQuery,
): Promise<{ emails: InboundSummary[]; nextCursor: string | null }> {
  const parameters: unknown[] = [tenant];
  const conditions = ['tenant = $1'];
  const add = (condition: (place: string) => string, value: unknown) => {
    if (value !== undefined) conditions.push(condition(`$${parameters.push(value)}`));
  };
  add((place) => `sender = ${place}`, from && (readAddress(from)?.email ?? from));
  add((place) => `recipients @> jsonb_build_array(${place}::text)`, to);
  add((place) => `kind = ${place}`, kind);
  add((place) => `topic = ${place}`, topic);
  add((place) => `in_reply_to = ${place}`, inReplyTo);
  if (cursor) {
    const id = parameters.push(cursor.at, cursor.id);
    conditions.push(`(received_at, id) < ($${id - 1}, $${id})`);
  }
  const rows = await db.query<InboundRow[]>(
    `select id, received_at, redacted_at, email - 'text' - 'html' as email
     from inbound_emails where ${conditions.join(' and ')}
     order by received_at desc, id desc limit $${parameters.push(limit + 1)}`,
    parameters,
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    emails: page.map(toView),
    nextCursor: last && rows.length > limit ? writeCursor({ at: last.received_at.toISOString(), id: last.id }) : null,
  };
}

/** Undefined for one that does not exist or is another tenant's. */
export async function findInbound(db: DataSource, tenant: string, id: string): Promise<InboundEmailView | undefined> {
  const [row] = await db.query<InboundRow[]>(
    'select id, received_at, redacted_at, email from inbound_emails where id = $1 and tenant = $2',
    [id, tenant],
  );
  return row && toView(row);
}

function toView({ email, redacted_at: redactedAt }: InboundRow): InboundEmailView {
  return { ...email, redactedAt: redactedAt?.toISOString() ?? null };
}
