import { toHeaders, type CloudEvent } from '@signalbox/contracts';
import { Kafka, logLevel } from 'kafkajs';
import type { BenchDatabase } from './platform.ts';

export const messagingServiceSid = 'MG00000000000000000000000000000001';
const accountSid = 'AC00000000000000000000000000000001';

const hex = (index: number, digits: number) => index.toString(16).padStart(digits, '0');
/** Ascending like those of acceptance. */
export const messageId = (index: number) => `019a0000-0000-7000-8000-${hex(index, 12)}`;
const providerSid = (index: number) => `SM${hex(index, 32)}`;
export const recipient = (index: number) => `+1415${String(2_000_000 + (index % 7_000_000))}`;
const traceparent = (index: number) => `00-${hex(index + 1, 32)}-${hex(index + 1, 16)}-01`;
const body = 'Your order has shipped and will be with you tomorrow.';

export interface Seed {
  /** Messages number `from` … `from + count - 1`. */
  readonly from?: number;
  readonly count: number;
  readonly state: 'queued' | 'submitted' | 'delivered';
  readonly lane?: 'transactional' | 'bulk';
  /** The line they wait in: the quotas they fall under. */
  readonly queue?: string;
}

/** Puts messages into the table as they are in a state: waiting to be sent, handed over, or at their end with their attempt. */
export async function seed(
  database: BenchDatabase,
  { from = 0, count, state, lane = 'transactional', queue = '' }: Seed,
): Promise<void> {
  const waiting = state === 'queued';
  await database.query(
    `insert into messages (id, tenant, idempotency_key, request_digest, channel, recipient, messaging_service_sid, content,
       lane, fallback, metadata, traceparent, created_at, state, sequence, provider_sid, attempt, due_at, queue, check_at, updated_at)
     select ('019a0000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'demo', 'bench-' || i, 'digest', 'sms',
       '+1415' || (2000000 + i % 7000000), $3, $4, $5, '[]', '{}',
       '00-' || lpad(to_hex(i + 1), 32, '0') || '-' || lpad(to_hex(i + 1), 16, '0') || '-01',
       now(), $6::text, $7, case when $8 then null else 'SM' || lpad(to_hex(i), 32, '0') end, $9,
       case when $8 then now() end, $10, case when $6 = 'submitted' then now() + interval '5 minutes' end, now()
     from generate_series($1::int, $2::int) i`,
    [
      from,
      from + count - 1,
      messagingServiceSid,
      { body, mediaUrls: [], contentSid: null, contentVariables: {}, maxPrice: null },
      lane === 'bulk' ? 2 : 1,
      state,
      { queued: 2, submitted: 4, delivered: 6 }[state],
      waiting,
      waiting ? 0 : 1,
      queue,
    ],
  );
  if (waiting) return;
  await database.query(
    `insert into attempts (message_id, number, state, started_at, lease_until, worker, finished_at, provider_sid, http_status)
     select id, 1, 'accepted', created_at, created_at, 'bench', created_at, provider_sid, 201 from messages
     where id between $1 and $2`,
    [messageId(from), messageId(from + count - 1)],
  );
}

export async function clear(database: BenchDatabase): Promise<void> {
  await database.query(
    'truncate messages, attempts, message_history, message_checks, outbox, analytics_deltas, quota_buckets cascade',
  );
}

/** After much was written at once: what would otherwise go on during the measurement. */
export async function settleDown(database: BenchDatabase): Promise<void> {
  await database.query('vacuum analyze messages');
  await database.query('vacuum analyze attempts');
  await database.query('checkpoint');
}

export function deliveredCallback(index: number): { key: string; event: CloudEvent } {
  const now = new Date().toISOString();
  const sid = providerSid(index);
  const params = {
    AccountSid: accountSid,
    ApiVersion: '2010-04-01',
    From: '+14155550100',
    MessageSid: sid,
    MessageStatus: 'delivered',
    MessagingServiceSid: messagingServiceSid,
    SmsSid: sid,
    SmsStatus: 'delivered',
    To: recipient(index),
  };
  const data = {
    accountSid,
    tenant: 'demo',
    resourceSid: sid,
    correlationId: messageId(index),
    status: 'delivered',
    providerTime: null,
    receivedAt: now,
    errorCode: null,
    params,
  };
  return {
    key: messageId(index),
    event: { ...head(index, '//bench/callbacks', now), type: 'twilio.message.status.v1', data },
  };
}

export function sendCommand(index: number, changes: object = {}): { key: string; event: CloudEvent } {
  const to = recipient(index);
  const data = {
    tenant: 'demo',
    idempotencyKey: `command-${index}`,
    to,
    body,
    metadata: { order: String(index) },
    ...changes,
  };
  return {
    key: `demo:${to}`,
    event: { ...head(index, '//bench/commands', new Date().toISOString()), type: 'messaging.send.v1', data },
  };
}

function head(index: number, source: string, time: string) {
  return { id: `bench-${index}`, source, time, traceparent: traceparent(index) };
}

/** Fills a topic with records 0 … count - 1. */
export async function fill(
  brokers: string,
  topic: string,
  count: number,
  record: (index: number) => { key: string; event: CloudEvent },
): Promise<void> {
  const producer = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  for (let from = 0; from < count; from += 2_000) {
    const messages = Array.from({ length: Math.min(2_000, count - from) }, (_, at) => {
      const { key, event } = record(from + at);
      return { key, headers: toHeaders(event), value: JSON.stringify(event.data) };
    });
    await producer.send({ topic, messages, acks: -1 });
  }
  await producer.disconnect();
}
