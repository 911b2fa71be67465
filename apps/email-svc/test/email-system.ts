import { type CloudEvent, type EmailStateChanged, toHeaders, topics } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystemOptions } from '@signalbox/testing/platform';
import { Kafka, logLevel } from 'kafkajs';

export interface AcceptedEmail {
  readonly to: string;
  readonly replyTo: string | null;
  readonly subject: string;
  readonly status: string;
  /** The IP pool it was sent through. */
  readonly pool: string | null;
  readonly customArgs: Readonly<Record<string, string>>;
}

export interface EmailRequest {
  readonly idempotencyKey: string;
  readonly to: string;
  readonly [field: string]: unknown;
}

const json = { 'content-type': 'application/json' };

/** The system with email-svc in it, as product teams, SendGrid and operators see it. */
export async function startEmailSystem(options: TestSystemOptions = {}) {
  const system = await startSystem({ only: ['webhook-ingest', 'email-svc'], ...options });
  const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true });
  const consumer = kafka.consumer({ groupId: 'e2e' });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topics: [topics.emailEvents.name], fromBeginning: true });
  /** The moves of each email, by idempotency key. */
  const moves = new Map<string, EmailStateChanged[]>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      if (String(message.headers?.['ce_type']) !== 'email.email.state-changed.v1') return;
      const data = JSON.parse(String(message.value)) as EmailStateChanged;
      const known = moves.get(data.idempotencyKey);
      if (known) known.push(data);
      else moves.set(data.idempotencyKey, [data]);
    },
  });

  async function control<Body>(path: string, body?: object): Promise<Body> {
    const response = await fetch(`${system.info.simulator}/_sim/${path}`, {
      ...(body && { method: 'POST', headers: json, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Body;
  }

  return {
    system,
    moves,
    control,
    stateOf: (key: string) => moves.get(key)?.at(-1)?.state,
    accepted: (to?: string) => control<AcceptedEmail[]>(`emails${to ? `?to=${encodeURIComponent(to)}` : ''}`),

    async publish(requests: readonly EmailRequest[]): Promise<void> {
      const messages = requests.map((request) => {
        const data = { tenant: 'demo', subject: 'Hello', text: 'Hello there', ...request };
        const event: CloudEvent = {
          id: request.idempotencyKey,
          source: '//e2e',
          type: 'email.send.v1',
          time: new Date().toISOString(),
          data,
        };
        return { key: `demo:${request.to}`, value: JSON.stringify(data), headers: toHeaders(event) };
      });
      for (let from = 0; from < messages.length; from += 1_000) {
        await producer.send({
          topic: topics.emailCommands.name,
          acks: -1,
          messages: messages.slice(from, from + 1_000),
        });
      }
    },

    async api<Body>(path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<Body> {
      const response = await fetch(`${system.info.services['email-svc']}${path}`, {
        method,
        headers: { authorization: `Bearer ${system.info.tokens.admin}`, ...(body && json) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return JSON.parse(text) as Body;
    },

    /** Until every event of the simulator so far has been taken by the edge. */
    async eventsTaken(): Promise<void> {
      await eventually(async () => {
        const { pending } = await control<{ pending: number }>('email-events');
        if (pending > 0) throw new Error(`${pending} events are pending`);
      });
    },

    async stop() {
      await Promise.all([producer.disconnect(), consumer.disconnect()]);
      await system.stop();
    },
  };
}

export type EmailSystem = Awaited<ReturnType<typeof startEmailSystem>>;
