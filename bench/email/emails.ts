import type { CloudEvent } from '@signalbox/contracts';
import { normaliseEvent } from '@signalbox/sendgrid';
import type { BenchDatabase } from '../messaging/platform.ts';

/** Ascending like those of acceptance. */
export const emailId = (index: number) => `019a0000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
const recipient = (index: number) => `reader-${index}@example.com`;

/** Puts emails into the table that were handed over, a thousand to a call, with their attempts. */
export async function seedSubmitted(database: BenchDatabase, count: number): Promise<void> {
  await database.query(
    `insert into emails (id, tenant, idempotency_key, request_digest, recipient, sender, subject, categories, lane, body_key,
       metadata, traceparent, created_at, state, unsent, sequence, provider_sid, attempt, queue, opens, machine_opens, clicks,
       updated_at)
     select ('019a0000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'demo', 'bench-' || i, 'digest',
       'reader-' || i || '@example.com', 'Demo <no-reply@demo.example>', 'Your order has shipped', '[]', 1, 'body', '{}',
       '00-' || lpad(to_hex(i + 1), 32, '0') || '-' || lpad(to_hex(i + 1), 16, '0') || '-01',
       now(), 'submitted', false, 4, 'call-' || i / 1000, 1, '', 0, 0, 0, now()
     from generate_series(0, $1::int - 1) i`,
    [count],
  );
  await database.query(
    `insert into attempts (email_id, number, state, started_at, lease_until, worker, finished_at, provider_sid, http_status)
     select id, 1, 'accepted', created_at, created_at, 'bench', created_at, provider_sid, 202 from emails`,
  );
}

export async function clear(database: BenchDatabase): Promise<void> {
  await database.query('truncate emails, attempts, email_history, email_smtp_ids, unmatched_events, outbox cascade');
}

/** After much was written at once: what would otherwise go on during the measurement. */
export async function settleDown(database: BenchDatabase): Promise<void> {
  await database.query('vacuum analyze emails');
  await database.query('vacuum analyze attempts');
  await database.query('checkpoint');
}

/** The record webhook-ingest makes of a delivery. */
export function deliveredEvent(index: number): { key: string; event: CloudEvent } {
  const raw = {
    email: recipient(index),
    timestamp: Math.floor(Date.now() / 1000),
    'smtp-id': `<call-${Math.floor(index / 1000)}@geopod-ismtpd-1>`,
    event: 'delivered',
    sb_message_id: emailId(index),
    sg_event_id: `delivered-${index}`,
    sg_message_id: `call-${Math.floor(index / 1000)}.recvd-5b8c9d6f7-abcde-1-5515E0B88.${index % 1000}`,
    response: '250 2.0.0 OK',
    ip: '192.0.2.25',
    tls: 1,
  };
  const read = normaliseEvent(raw, { tenant: 'demo', receivedAt: new Date().toISOString() });
  if (!read.ok) throw new Error(read.why);
  return read.record;
}
