/** The bare limit: kafkajs `eachBatch` and one INSERT per batch; no contract, no number check, no suppression, no events. */
import { createHash, randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { messagingServiceSid } from './messages.ts';
import { Meter } from './meter.ts';

interface Command {
  readonly tenant: string;
  readonly idempotencyKey: string;
  readonly to: string;
  readonly body: string;
  readonly metadata: object;
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
    const texts = batch.messages.map(({ value }) => String(value));
    const commands = texts.map((text) => JSON.parse(text) as Command);
    await pool.query(
      `insert into messages (id, tenant, idempotency_key, request_digest, channel, recipient, messaging_service_sid, content,
         lane, fallback, metadata, traceparent, created_at, state, sequence, attempt, due_at, updated_at)
       select id, tenant, key, digest, 'sms', recipient, $7, content::jsonb, 1, '[]', metadata::jsonb, '', now(), 'queued', 2, 0, now(), now()
       from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[])
         as n (id, tenant, key, digest, recipient, content, metadata)
       on conflict do nothing`,
      [
        commands.map(() => randomUUID()),
        commands.map(({ tenant }) => tenant),
        commands.map(({ idempotencyKey }) => idempotencyKey),
        texts.map((text) => createHash('sha256').update(text).digest('hex')),
        commands.map(({ to }) => to),
        commands.map(({ body }) => JSON.stringify({ body })),
        messagingServiceSid,
        commands.map(({ metadata }) => JSON.stringify(metadata)),
      ],
    );
    meter.add(commands.length);
  },
});
