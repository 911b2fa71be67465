/**
 * Bare batched SQL: kafkajs `eachBatch`, one transaction per batch. ROWS=state writes the state only; ROWS=all the same rows as
 * email-svc does (state, history, event), with no lock, no look for repeats and no order of states.
 */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { Meter } from '../messaging/meter.ts';

interface Callback {
  readonly tenant: string;
  readonly correlationId: string;
  readonly status: string;
  readonly eventId: string;
  readonly resourceSid: string;
  readonly providerTime: string;
  readonly receivedAt: string;
  readonly email: string;
  readonly params: Readonly<Record<string, unknown>>;
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
    const client = await pool.connect();
    try {
      if (withAll) await client.query('begin');
      const ids = callbacks.map(({ correlationId }) => correlationId);
      const times = callbacks.map(({ receivedAt }) => receivedAt);
      await client.query(
        `update emails e set state = n.state, sequence = e.sequence + 1, updated_at = n.at
         from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, state, at) where e.id = n.id`,
        [ids, callbacks.map(({ status }) => status), times],
      );
      if (withAll) {
        await client.query(
          `insert into email_history (email_id, at, kind, event_id, provider_event_id, detail)
           select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
           on conflict do nothing`,
          [
            ids,
            times,
            callbacks.map(() => 'callback'),
            callbacks.map(({ eventId }) => eventId),
            callbacks.map(({ eventId }) => eventId),
            callbacks.map(({ status, resourceSid, providerTime, params }) =>
              JSON.stringify({ event: status, resourceSid, providerTime, response: params['response'] }),
            ),
          ],
        );
        await client.query(
          `insert into outbox (topic, key, headers, value) select * from unnest($1::text[], $2::text[], $3::jsonb[], $4::text[])`,
          [
            ids.map(() => 'events.email.v1'),
            ids,
            callbacks.map(({ correlationId, receivedAt }) =>
              JSON.stringify({
                ce_id: `${correlationId}.5`,
                ce_type: 'email.email.state-changed.v1',
                ce_time: receivedAt,
              }),
            ),
            callbacks.map(({ tenant, correlationId, status, receivedAt, email }) =>
              JSON.stringify({ tenant, emailId: correlationId, sequence: 5, state: status, at: receivedAt, to: email }),
            ),
          ],
        );
        await client.query('commit');
      }
    } finally {
      client.release();
    }
    meter.add(callbacks.length);
  },
});
