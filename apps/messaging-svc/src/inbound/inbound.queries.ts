import type { MessageChannel, MessageReceived } from '@signalbox/contracts';
import { type TimeAndId, writeCursor } from '@signalbox/service';
import { toE164 } from '@signalbox/twilio';
import type { DataSource } from 'typeorm';

interface InboundRow {
  readonly id: string;
  readonly tenant: string;
  readonly provider_sid: string;
  readonly channel: MessageChannel;
  readonly sender: string;
  readonly recipient: string;
  readonly body: string | null;
  readonly media: MessageReceived['media'];
  readonly opt_out_type: string | null;
  readonly in_reply_to: string | null;
  readonly received_at: Date;
  readonly redacted_at: Date | null;
}

/** As it was published, and whether its text is still here. */
export type InboundView = MessageReceived & { readonly redactedAt: string | null };

export interface InboundQuery {
  readonly from: string | undefined;
  readonly after: TimeAndId | undefined;
  readonly limit: number;
}

/** Newest first, by keyset. */
export async function listInbound(
  db: DataSource,
  tenant: string,
  { from, after, limit }: InboundQuery,
): Promise<{ messages: InboundView[]; nextCursor: string | null }> {
  const parameters: unknown[] = [tenant, limit + 1];
  const conditions = ['tenant = $1'];
  if (from !== undefined) conditions.push(`sender = $${parameters.push(asStored(from))}`);
  if (after) {
    const id = parameters.push(after.at, after.id);
    conditions.push(`(received_at, id) < ($${id - 1}, $${id})`);
  }
  const rows = await db.query<InboundRow[]>(
    `select * from inbound_messages where ${conditions.join(' and ')} order by received_at desc, id desc limit $2`,
    parameters,
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    messages: page.map(toReceived),
    nextCursor: last && rows.length > limit ? writeCursor({ at: last.received_at.toISOString(), id: last.id }) : null,
  };
}

function toReceived(row: InboundRow): InboundView {
  return {
    tenant: row.tenant,
    messageId: row.id,
    at: row.received_at.toISOString(),
    channel: row.channel,
    from: row.sender,
    to: row.recipient,
    body: row.body,
    media: row.media,
    provider: 'twilio',
    providerSid: row.provider_sid,
    optOutType: row.opt_out_type,
    inReplyTo: row.in_reply_to,
    redactedAt: row.redacted_at?.toISOString() ?? null,
  };
}

/** However a person writes a number, it is looked for as it is stored. */
function asStored(from: string): string {
  // An unescaped + of a query string arrives as a space.
  const written = from.replace(/^(whatsapp:)? (?=\d)/, '$1+');
  const number = toE164(written, written.startsWith('whatsapp:') ? 'whatsapp' : 'sms');
  return number.ok ? number.e164 : written;
}
