/** The bare limit: kafkajs `eachBatch` and one UPDATE per batch; no dedupe, no history, no events, no order of states. */
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { Meter } from './meter.ts';

interface Callback {
  readonly correlationId: string;
  readonly status: string;
  readonly receivedAt: string;
}

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
    await pool.query(
      `update messages m set state = n.state, updated_at = n.at
       from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, state, at) where m.id = n.id`,
      [
        callbacks.map(({ correlationId }) => correlationId),
        callbacks.map(({ status }) => status),
        callbacks.map(({ receivedAt }) => receivedAt),
      ],
    );
    meter.add(callbacks.length);
  },
});
