/**
 * The bare limits: kafkajs `eachBatch` and batched SQL, with no lock, no look for repeats and no order of states. ROWS=state writes
 * the state only, by one UPDATE per batch; ROWS=all the same rows as messaging-svc (state, history, counts, event).
 */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { Meter } from './meter.ts';

interface Callback {
  readonly tenant: string;
  readonly correlationId: string;
  readonly resourceSid: string;
  readonly status: string;
  readonly receivedAt: string;
  readonly params: Readonly<Record<string, string>>;
}

const withAll = process.env['ROWS'] === 'all';
const meter = new Meter(process.env);
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
const kafka = new Kafka({ brokers: [process.env['KAFKA_BROKERS'] ?? ''], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: process.env['KAFKA_GROUP_ID'] ?? '' });
await consumer.connect();
await consumer.subscribe({ topic: process.env['TOPIC'] ?? '', fromBeginning: true });
await consumer.run({
  partitionsConsumedConcurrently: 3,
  eachBatch: async ({ batch }) => {
    const callbacks = batch.messages.map(({ value }) => JSON.parse(String(value)) as Callback);
    const eventIds = batch.messages.map(({ headers }) => String(headers?.['ce_id']));
    if (withAll) await writeAll(callbacks, eventIds);
    else {
      await pool.query(
        `update messages m set state = n.state, updated_at = n.at
         from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, state, at) where m.id = n.id`,
        [
          callbacks.map(({ correlationId }) => correlationId),
          callbacks.map(({ status }) => status),
          callbacks.map(({ receivedAt }) => receivedAt),
        ],
      );
    }
    meter.add(callbacks.length);
  },
});

/** As one statement, which is what Postgres does the quickest. */
async function writeAll(callbacks: readonly Callback[], eventIds: readonly string[]): Promise<void> {
  await pool.query(
    `with moved as (
       update messages m set state = n.state, sequence = m.sequence + 1, check_at = null, updated_at = n.at
       from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, state, at) where m.id = n.id
     ), told as (
       insert into message_history (message_id, at, kind, event_id, detail)
       select id, at, 'callback', event_id, detail
       from unnest($1::uuid[], $3::timestamptz[], $4::text[], $5::jsonb[]) as n (id, at, event_id, detail)
       on conflict do nothing
     ), counted as (
       insert into analytics_deltas (hour, tenant, sender, digits, code, outcome, count)
       values (date_trunc('hour', now()), 'demo', '', '', '', 'delivered', $8)
     )
     insert into outbox (topic, key, headers, value)
     select 'events.messaging.v1', key, headers, value from unnest($1::text[], $6::jsonb[], $7::text[]) as n (key, headers, value)`,
    [
      callbacks.map(({ correlationId }) => correlationId),
      callbacks.map(({ status }) => status),
      callbacks.map(({ receivedAt }) => receivedAt),
      eventIds,
      callbacks.map(({ status, resourceSid, receivedAt }) =>
        JSON.stringify({
          status,
          outcome: 'applied',
          providerSid: resourceSid,
          change: { sequence: 5, to: status, at: receivedAt },
        }),
      ),
      callbacks.map(({ correlationId, receivedAt }) =>
        JSON.stringify({
          ce_specversion: '1.0',
          'content-type': 'application/json',
          ce_id: `${correlationId}.5`,
          ce_source: '//signalbox/messaging-svc',
          ce_type: 'messaging.message.state-changed.v1',
          ce_time: receivedAt,
          ce_subject: correlationId,
        }),
      ),
      callbacks.map(({ tenant, correlationId, status, receivedAt, resourceSid, params }) =>
        JSON.stringify({
          tenant,
          messageId: correlationId,
          sequence: 5,
          state: status,
          previousState: 'submitted',
          at: receivedAt,
          to: params['To'],
          provider: 'twilio',
          providerSid: resourceSid,
          error: null,
          metadata: {},
        }),
      ),
      callbacks.length,
    ],
  );
}
