import { randomUUID } from 'node:crypto';
import {
  type CloudEvent,
  decode,
  type EventOf,
  messagingCommands,
  messagingEvents,
  sendCommand,
  type SendRequestInput,
  toHeaders,
} from '@signalbox/contracts';
import { GroupCommit } from '@signalbox/group-commit';
import { Kafka, logLevel, type KafkaConfig, Partitioners, type Producer } from 'kafkajs';
import { headerStrings, RepeatFilter } from './events.ts';

export interface ClientOptions {
  /** The tenant in whose name requests are published. */
  readonly tenant: string;
  readonly kafka: Pick<KafkaConfig, 'brokers' | 'ssl' | 'sasl'>;
  /** Names this service towards the broker and in `ce_source`, e.g. `order-service`. */
  readonly clientId: string;
}

export type MessageEvent = EventOf<typeof messagingEvents>;
export type EventHandler = (event: MessageEvent) => Promise<void> | void;

export interface SubscriptionOptions {
  /** Consumer group; members share the partitions. */
  readonly groupId: string;
  /** Read what was published before the group existed; default false. */
  readonly fromBeginning?: boolean;
  /** A record that breaks the contract; it is skipped after this. Default: a warning on the process. */
  readonly onInvalid?: (reason: string) => void;
}

export interface Subscription {
  /** Finishes the event at hand, commits and leaves the group. */
  stop(): Promise<void>;
}

export interface Client {
  /**
   * Publishes a send request; resolves once every in-sync replica has it. What becomes of it is told by events.
   * @throws ZodError when the request breaks the contract, KafkaJSError when the broker can't take it.
   */
  sendMessage(request: SendMessage): Promise<{ idempotencyKey: string }>;
  /** Cancels a message that has not gone to the provider yet. `to` must be the message's: it keeps the two in order. */
  cancelMessage(request: { idempotencyKey: string; to: string }): Promise<void>;
  /**
   * Hands this tenant's events to the handler, in order per message and without the repeats this process has seen. An
   * offset is committed after its event's handler; when the handler throws, the event comes again.
   */
  onMessageEvent(handler: EventHandler, options: SubscriptionOptions): Promise<Subscription>;
  /** Lets what was published be acknowledged, ends all subscriptions and disconnects. */
  close(): Promise<void>;
}

/** A request as `messaging.send.v1` has it; the idempotency key is made up when left out, which gives up on safe retries. */
export type SendMessage = Omit<SendRequestInput, 'idempotencyKey'> & { idempotencyKey?: string };

interface Outgoing {
  readonly key: string;
  readonly event: CloudEvent;
}

/** What a product service installs to send messages through Signalbox and to follow them. */
export function createClient({ tenant, kafka: connection, clientId }: ClientOptions): Client {
  const kafka = new Kafka({ clientId, ...connection, logLevel: logLevel.ERROR });
  const subscriptions = new Set<Subscription>();
  let producer: Promise<Producer> | undefined;

  async function connect(): Promise<Producer> {
    const created = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await created.connect();
    return created;
  }

  const commands = new GroupCommit<Outgoing>(
    async (batch) => {
      producer ??= connect();
      const connected = await producer.catch((error: unknown) => {
        producer = undefined;
        throw error;
      });
      const messages = batch.map(({ key, event }) => ({
        key,
        value: JSON.stringify(event.data),
        headers: toHeaders(event),
      }));
      await connected.send({ topic: messagingCommands.name, acks: -1, messages });
      return batch.map(() => undefined);
    },
    { maxItems: 500 },
  );

  function publish(type: string, to: string, data: unknown): Promise<void> {
    const event = { id: randomUUID(), source: `//${clientId}`, type, time: new Date().toISOString(), data };
    return commands.add({ key: `${tenant}:${to}`, event });
  }

  return {
    async sendMessage(request) {
      const command = { ...request, tenant, idempotencyKey: request.idempotencyKey ?? randomUUID() };
      sendCommand.parse(command);
      await publish('messaging.send.v1', command.to, command);
      return { idempotencyKey: command.idempotencyKey };
    },

    async cancelMessage({ idempotencyKey, to }) {
      await publish('messaging.cancel.v1', to, { tenant, idempotencyKey });
    },

    async onMessageEvent(handler, { groupId, fromBeginning = false, onInvalid = warn }) {
      const consumer = kafka.consumer({ groupId });
      const repeats = new RepeatFilter();
      await consumer.connect();
      await consumer.subscribe({ topic: messagingEvents.name, fromBeginning });
      await consumer.run({
        // A restart repeats at most this many; the repeats are the handler's to recognise, by event id.
        autoCommitThreshold: 100,
        eachMessage: async ({ message }) => {
          const decoded = decode(messagingEvents, headerStrings(message.headers), message.value);
          if (!decoded.ok) return onInvalid(decoded.reason);
          const { event } = decoded;
          if (event.data.tenant !== tenant || !repeats.isNew(event)) return;
          await handler(event);
          repeats.remember(event);
        },
      });
      const subscription = {
        async stop() {
          subscriptions.delete(subscription);
          await consumer.disconnect();
        },
      };
      subscriptions.add(subscription);
      return subscription;
    },

    async close() {
      await commands.drain();
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      const connected = await producer;
      await connected?.disconnect();
    },
  };
}

function warn(reason: string): void {
  process.emitWarning(`skipped a record of ${messagingEvents.name}: ${reason}`);
}
