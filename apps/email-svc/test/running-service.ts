import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CloudEvent,
  type EmailRestrictionClosed,
  type EmailEngaged,
  type EmailReceived,
  type EmailStateChanged,
  type SendEmailCommandInput,
  type SendgridEmailReceived,
  type SuppressionChanged,
  topics,
} from '@signalbox/contracts';
import { createKafka, ensureTopics, EventProducer } from '@signalbox/kafka';
import { createDataSource, migrate } from '@signalbox/persistence';
import { normaliseEvent } from '@signalbox/sendgrid';
import { startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testDatabase, testKafka } from '@signalbox/testing';
import pg from 'pg';
import { stringify } from 'yaml';
import { migrations } from '../src/migrations/migrations.ts';
import { emailService } from '../src/service.ts';
import { sendgridStub } from './sendgrid-stub.ts';

export const unsubscribeBase = 'https://mail.demo.example';

/** email-svc within this process, on a real Kafka and Postgres, with a SendGrid that answers to order. */
export async function runEmailService(environment: NodeJS.ProcessEnv = {}) {
  const token = randomUUID();
  // Specs share the broker: by its tenants each keeps apart what is its own.
  const run = randomBytes(4).toString('hex');
  const tenant = `t-${run}`;
  const otherTenant = `o-${run}`;
  const sendgrid = await sendgridStub();
  const names = testKafka();
  const kafka = createKafka(
    { brokers: names.brokers, clientId: 'email-svc-spec' },
    createLogger('spec', { level: 'silent' }),
  );
  const producer = new EventProducer(kafka);
  const folder = await mkdtemp(join(tmpdir(), 'email-svc-'));
  const tenantsFile = join(folder, 'tenants.yaml');
  const templates = join(import.meta.dirname, '../../../config/templates/demo');
  await cp(templates, join(folder, 'templates', tenant), { recursive: true });
  process.env['SPEC_SECRET'] = 'secret';
  process.env['SPEC_SENDGRID_KEY'] = 'SG.first';

  /** Writes the tenant file; the service takes it up by itself. */
  const writeTenants = (fields: object = {}, key = 'SPEC_SENDGRID_KEY') => {
    const sendgridFields = {
      ...(key && { apiKey: `env:${key}` }),
      baseUrl: sendgrid.url,
      from: 'Demo <no-reply@demo.example>',
    };
    const twilio = (last: string) => ({
      accountSid: `AC${last.padStart(32, '0')}`,
      apiKey: { sid: `SK${last.padStart(32, '0')}`, secret: 'env:SPEC_SECRET' },
      authTokens: ['env:SPEC_SECRET'],
    });
    const apiTokens = [
      { name: 'spec', sha256: createHash('sha256').update(token).digest('hex'), scopes: ['send', 'read', 'admin'] },
      { name: 'reader', sha256: createHash('sha256').update(`${token}-reader`).digest('hex'), scopes: ['read'] },
    ];
    const tenants = [
      { name: tenant, twilio: twilio('1'), sendgrid: sendgridFields, apiTokens, ...fields },
      { name: otherTenant, twilio: twilio('2') },
    ];
    return writeFile(tenantsFile, stringify({ version: 1, tenants }));
  };
  await writeTenants();

  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  await ensureTopics(kafka, [
    topics.emailCommands,
    topics.emailEvents,
    topics.suppressionEvents,
    topics.sendgridEventCallbacks,
    topics.sendgridInboundCallbacks,
    topics.analyticsEvents,
  ]);
  const service = await startService(emailService, {
    PORT: '0',
    LOG_LEVEL: 'fatal',
    KAFKA_BROKERS: names.brokers.join(','),
    KAFKA_GROUP_ID: names.group('email-svc'),
    DATABASE_URL: database.url,
    TENANTS_FILE: tenantsFile,
    UNSUBSCRIBE_BASE_URL: unsubscribeBase,
    UNSUBSCRIBE_KEY: 'key-of-the-unsubscribe-links',
    REPLY_KEY: 'key-of-the-reply-addresses',
    TEMPLATES_DIR: join(folder, 'templates'),
    DISPATCH_POLL_MS: '50',
    CREDENTIALS_PROBE_MS: '200',
    PROVIDER_TIMEOUT_MS: '500',
    ATTEMPT_LEASE_MS: '5500',
    RETRY_BASE_MS: '20',
    IN_DOUBT_POLL_MS: '50',
    REJOIN_POLL_MS: '50',
    SUPPRESSION_PUSH_MS: '50',
    DELIVERABILITY_WATCH_MS: '50',
    // Nobody answers there, and at once.
    DNS_SERVERS: '127.0.0.1:9',
    ...environment,
  });

  /** Every event, by idempotency key, in the order of its partition. */
  const moves = new Map<string, EmailStateChanged[]>();
  const engaged: EmailEngaged[] = [];
  const received: EmailReceived[] = [];
  const suppressions: SuppressionChanged[] = [];
  const restrictions: (Partial<EmailRestrictionClosed> & { readonly type: string })[] = [];
  const deadLetters: (string | undefined)[] = [];
  const read = new Set<string>();
  const consumer = kafka.consumer({ groupId: names.group('email-svc-spec') });
  await consumer.connect();
  await consumer.subscribe({
    topics: [
      topics.emailEvents.name,
      topics.suppressionEvents.name,
      topics.analyticsEvents.name,
      `${topics.emailCommands.name}.dlq`,
      `${topics.sendgridInboundCallbacks.name}.dlq`,
    ],
    fromBeginning: true,
  });
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      // This consumer, not the service, reads records again when its group is balanced anew.
      const record = `${topic} ${partition} ${message.offset}`;
      if (read.has(record)) return;
      read.add(record);
      if (topic.endsWith('.dlq')) return void deadLetters.push(message.key?.toString());
      const data = JSON.parse(String(message.value)) as { tenant?: string };
      if (data.tenant !== tenant && data.tenant !== otherTenant) return;
      if (topic === topics.suppressionEvents.name) return void suppressions.push(data as SuppressionChanged);
      if (topic === topics.analyticsEvents.name) {
        return void restrictions.push({
          ...(data as EmailRestrictionClosed),
          type: String(message.headers?.['ce_type']),
        });
      }
      if (String(message.headers?.['ce_type']) === 'email.email.received.v1') {
        return void received.push(data as EmailReceived);
      }
      if (String(message.headers?.['ce_type']) === 'email.email.engaged.v1') {
        return void engaged.push(data as EmailEngaged);
      }
      const move = data as EmailStateChanged;
      moves.set(move.idempotencyKey, [...(moves.get(move.idempotencyKey) ?? []), move]);
    },
  });

  const client = new pg.Client({ connectionString: database.url });
  await client.connect();

  async function api<Body = Record<string, unknown>>(
    path: string,
    { method, body, anonymous, reader }: { method?: string; body?: object; anonymous?: true; reader?: true } = {},
  ): Promise<{ status: number; body: Body; text: string }> {
    const response = await fetch(`${service.url}${path}`, {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: {
        ...(!anonymous && { authorization: `Bearer ${reader ? `${token}-reader` : token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text.startsWith('{') ? JSON.parse(text) : {}) as Body, text };
  }

  async function publish(
    topic: typeof topics.emailCommands | typeof topics.sendgridEventCallbacks | typeof topics.sendgridInboundCallbacks,
    key: string,
    event: CloudEvent,
  ) {
    await producer.publish(topic, { key, event });
  }

  const lastOf = (key: string) => moves.get(key)?.at(-1);

  return {
    url: service.url,
    tenant,
    otherTenant,
    sendgrid,
    writeTenants,
    api,
    moves,
    engaged,
    received,
    suppressions,
    restrictions,
    deadLetters,
    lastOf,
    query: async <Row extends object>(sql: string, parameters: unknown[] = []) =>
      (await client.query<Row>(sql, parameters)).rows,
    states: (key: string) => (moves.get(key) ?? []).map(({ sequence, state }) => `${sequence} ${state}`),

    /** Over Kafka. */
    async command(command: Partial<SendEmailCommandInput> & { idempotencyKey: string }, type = 'email.send.v1') {
      const data = {
        tenant,
        ...(type === 'email.send.v1' && { to: 'a@example.com', subject: 'Hello', text: 'Hello there' }),
        ...command,
      };
      const time = new Date().toISOString();
      await publish(topics.emailCommands, `${data.tenant}:${data.idempotencyKey}`, {
        id: randomUUID(),
        source: '//spec',
        type,
        time,
        data,
      });
    },

    /** Over HTTP; resolves to the email's id. */
    async send(request: { readonly idempotencyKey: string; readonly [field: string]: unknown }): Promise<string> {
      const { status, body } = await api<{ emailId: string }>('/v1/emails', {
        body: { to: 'a@example.com', subject: 'Hello', text: 'Hello there', ...request },
      });
      if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`);
      return body.emailId;
    },

    /** Events of SendGrid, each as it comes in a batch. */
    async tell(events: readonly object[], from = tenant): Promise<void> {
      for (const raw of events) {
        const read = normaliseEvent(raw, { tenant: from, receivedAt: new Date().toISOString() });
        if (!read.ok) throw new Error(read.why);
        const { key, event } = read.record;
        await publish(topics.sendgridEventCallbacks, key, event);
      }
    },

    /** An email as the edge publishes it; `id` tells it from others. */
    async receive(fields: Partial<SendgridEmailReceived>, id: string = randomUUID()): Promise<void> {
      const data: SendgridEmailReceived = {
        tenant,
        resourceSid: `<${id}@mail.example.org>`,
        correlationId: null,
        status: 'received',
        providerTime: null,
        receivedAt: new Date().toISOString(),
        errorCode: null,
        from: 'a@example.com',
        to: ['support@parse.demo.example'],
        subject: 'Hello',
        text: 'Hello there',
        html: null,
        raw: null,
        attachments: [],
        params: { from: 'Ann <a@example.com>' },
        ...fields,
      };
      const event: CloudEvent = {
        id,
        source: '//spec',
        type: 'sendgrid.email.received.v1',
        time: data.receivedAt,
        data,
      };
      await publish(topics.sendgridInboundCallbacks, data.from || id, event);
    },

    reaches: (key: string, state: EmailStateChanged['state']) =>
      eventually(
        () => {
          const last = lastOf(key);
          if (last?.state !== state) throw new Error(`${key} is ${last?.state}, not ${state}`);
          return last;
        },
        { timeout: 20_000 },
      ),

    async stop() {
      await consumer.disconnect();
      await service.stop();
      await producer.disconnect();
      await client.end();
      await database.drop();
      await sendgrid.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type RunningEmailService = Awaited<ReturnType<typeof runEmailService>>;

/** An event of SendGrid about an email. */
export function sgEvent(
  email: { id?: string | null; sid?: string | null; to?: string },
  event: string,
  fields: object = {},
): Record<string, unknown> {
  const { id, sid = 'sid-0', to = 'a@example.com' } = email;
  return {
    ...(id && { sb_message_id: id }),
    email: to,
    timestamp: Math.floor(Date.now() / 1000),
    event,
    sg_event_id: randomUUID(),
    ...(sid !== null && { sg_message_id: `${sid}.recvd-5b8c9d6f7-abcde-1-5515E0B88.0` }),
    ...fields,
  };
}
