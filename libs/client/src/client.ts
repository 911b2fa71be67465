import { randomUUID } from 'node:crypto';
import {
  decode,
  emailCommands,
  emailEvents,
  type EventOf,
  messagingCommands,
  messagingEvents,
  placeCallCommand,
  type PlaceCallCommandInput,
  sendCommand,
  sendEmailCommand,
  type SendEmailCommandInput,
  type SendRequestInput,
  startVerificationCommand,
  type StartVerificationCommandInput,
  toHeaders,
  type Topic,
  verifyCommands,
  verifyEvents,
  voiceCommands,
  voiceEvents,
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
export type EmailEvent = EventOf<typeof emailEvents>;
export type CallEvent = EventOf<typeof voiceEvents>;
export type VerificationEvent = EventOf<typeof verifyEvents>;
export type EventHandler<Event = MessageEvent> = (event: Event) => Promise<void> | void;

export interface SubscriptionOptions {
  /** Consumer group; members share the partitions. One for each kind of events. */
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

/** What was asked for, by the key it is known under from now on. */
export interface Requested {
  readonly idempotencyKey: string;
}

/** What is canceled. `to` must be that of the request, as it was written there: it keeps the two in order. */
export interface Cancelation {
  readonly idempotencyKey: string;
  readonly to: string;
}

/**
 * Requests resolve once every in-sync replica has them; what becomes of them is told by events. Each throws ZodError when it
 * breaks the contract, KafkaJSError when the broker can't take it.
 *
 * Events are this tenant's, in order per message, email, call or verification, and without the repeats this process has seen. An
 * offset is committed after its event's handler; when the handler throws, the event comes again.
 */
export interface Client {
  sendMessage(request: SendMessage): Promise<Requested>;
  /** Cancels a message that has not gone to the provider yet. */
  cancelMessage(request: Cancelation): Promise<void>;
  /** An email of 1 MB at most, attachments included; larger ones go over HTTP. */
  sendEmail(request: SendEmail): Promise<Requested>;
  /** Cancels an email that has not gone to the provider yet. */
  cancelEmail(request: Cancelation): Promise<void>;
  placeCall(request: PlaceCall): Promise<Requested>;
  /** Cancels a call that waits or rings, or hangs it up. */
  cancelCall(request: Cancelation): Promise<void>;
  /** Starts a verification in the background; where a user waits, and to check the code, use HTTP. */
  startVerification(request: StartVerification): Promise<Requested>;

  onMessageEvent(handler: EventHandler, options: SubscriptionOptions): Promise<Subscription>;
  onEmailEvent(handler: EventHandler<EmailEvent>, options: SubscriptionOptions): Promise<Subscription>;
  onCallEvent(handler: EventHandler<CallEvent>, options: SubscriptionOptions): Promise<Subscription>;
  onVerificationEvent(handler: EventHandler<VerificationEvent>, options: SubscriptionOptions): Promise<Subscription>;

  /** Lets what was published be acknowledged, ends all subscriptions and disconnects. */
  close(): Promise<void>;
}

/** As in the contract, but the tenant is the client's; the idempotency key is made up when left out, which gives up on safe retries. */
type Asked<Input extends { idempotencyKey: string }> = Omit<Input, 'tenant' | 'idempotencyKey'> & {
  idempotencyKey?: string;
};

/** A request as `messaging.send.v1` has it. */
export type SendMessage = Asked<SendRequestInput>;
/** As `email.send.v1`. */
export type SendEmail = Asked<SendEmailCommandInput>;
/** As `voice.place.v1`. */
export type PlaceCall = Asked<PlaceCallCommandInput>;
/** As `verify.start.v1`. */
export type StartVerification = Asked<StartVerificationCommandInput>;

interface Outgoing {
  readonly key: string;
  readonly value: string;
  readonly headers: Record<string, string>;
  readonly bytes: number;
}

const maxRecords = 500;
/** All of a request can hash to one partition, where it is one record batch: under Kafka's `max.message.bytes` (1 MiB). */
const maxBytes = 900_000;

/** What a product service installs to send through Signalbox and to follow what becomes of it. */
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

  /** By topic, so that one which cannot be written to fails no request of another. */
  const publishers = new Map<string, GroupCommit<Outgoing>>();

  function publisherOf({ name: topic }: Topic): GroupCommit<Outgoing> {
    const known = publishers.get(topic);
    if (known) return known;
    const created = new GroupCommit<Outgoing>(
      async (batch) => {
        producer ??= connect();
        const connected = await producer.catch((error: unknown) => {
          producer = undefined;
          throw error;
        });
        const messages = batch.map(({ key, value, headers }) => ({ key, value, headers }));
        await connected.send({ topic, acks: -1, messages });
        return batch.map(() => undefined);
      },
      { maxItems: maxBytes, weigh: ({ bytes }) => Math.max(bytes, maxBytes / maxRecords) },
    );
    publishers.set(topic, created);
    return created;
  }

  /** @param about what its order is kept by: the recipient */
  function publish(topic: Topic, type: string, about: string, data: unknown): Promise<void> {
    const event = { id: randomUUID(), source: `//${clientId}`, type, time: new Date().toISOString(), data };
    const value = JSON.stringify(data);
    const bytes = Buffer.byteLength(value);
    return publisherOf(topic).add({ key: `${tenant}:${about}`, value, headers: toHeaders(event), bytes });
  }

  const keyed = <Request extends { idempotencyKey?: string }>(request: Request) => ({
    ...request,
    tenant,
    idempotencyKey: request.idempotencyKey ?? randomUUID(),
  });

  function cancel(topic: Topic, type: string): (request: Cancelation) => Promise<void> {
    return ({ idempotencyKey, to }) => publish(topic, type, to, { tenant, idempotencyKey });
  }

  async function follow<T extends Topic>(
    topic: T,
    handler: EventHandler<EventOf<T>>,
    { groupId, fromBeginning = false, onInvalid = warnOf(topic) }: SubscriptionOptions,
  ): Promise<Subscription> {
    const consumer = kafka.consumer({ groupId });
    const repeats = new RepeatFilter();
    await consumer.connect();
    await consumer.subscribe({ topic: topic.name, fromBeginning });
    await consumer.run({
      // A restart repeats at most this many; the repeats are the handler's to recognise, by event id.
      autoCommitThreshold: 100,
      eachMessage: async ({ message }) => {
        const decoded = decode(topic, headerStrings(message.headers), message.value);
        if (!decoded.ok) return onInvalid(decoded.reason);
        const { event } = decoded;
        if ((event.data as { tenant: string }).tenant !== tenant || !repeats.isNew(event)) return;
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
  }

  return {
    async sendMessage(request) {
      const command = keyed(request);
      sendCommand.parse(command);
      await publish(messagingCommands, 'messaging.send.v1', command.to, command);
      return { idempotencyKey: command.idempotencyKey };
    },
    cancelMessage: cancel(messagingCommands, 'messaging.cancel.v1'),

    async sendEmail(request) {
      const command = keyed(request);
      sendEmailCommand.parse(command);
      await publish(emailCommands, 'email.send.v1', command.to, command);
      return { idempotencyKey: command.idempotencyKey };
    },
    cancelEmail: cancel(emailCommands, 'email.cancel.v1'),

    async placeCall(request) {
      const command = keyed(request);
      placeCallCommand.parse(command);
      await publish(voiceCommands, 'voice.place.v1', command.to, command);
      return { idempotencyKey: command.idempotencyKey };
    },
    cancelCall: cancel(voiceCommands, 'voice.cancel.v1'),

    async startVerification(request) {
      const command = keyed(request);
      startVerificationCommand.parse(command);
      // A code of an authenticator goes to nobody: the user stands for the recipient.
      await publish(verifyCommands, 'verify.start.v1', command.to ?? command.subject ?? '', command);
      return { idempotencyKey: command.idempotencyKey };
    },

    onMessageEvent: (handler, options) => follow(messagingEvents, handler, options),
    onEmailEvent: (handler, options) => follow(emailEvents, handler, options),
    onCallEvent: (handler, options) => follow(voiceEvents, handler, options),
    onVerificationEvent: (handler, options) => follow(verifyEvents, handler, options),

    async close() {
      await Promise.all([...publishers.values()].map((publisher) => publisher.drain()));
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      const connected = await producer;
      await connected?.disconnect();
    },
  };
}

function warnOf({ name }: Topic): (reason: string) => void {
  return (reason) => process.emitWarning(`skipped a record of ${name}: ${reason}`);
}
