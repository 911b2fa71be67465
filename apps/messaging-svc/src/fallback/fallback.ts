import { Inject, Injectable } from '@nestjs/common';
import { topics } from '@signalbox/contracts';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import {
  failpoints,
  onCommit,
  Outbox,
  type OutgoingEvent,
  run,
  type Transact,
  type Transaction,
} from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type MessagingConfig } from '../config.ts';
import { eventSource } from '../message/message.events.ts';
import type { Message } from '../message/message.ts';
import { type MessageRow, save, toMessage } from '../message/message.store.ts';
import { fallbacks } from '../metrics.ts';
import { type FallbackCommand, takeFallback } from './fallback.rules.ts';

const outbox = new Outbox();
const perPass = 200;

const commands = {
  voice: { topic: topics.voiceCommands.name, type: 'voice.place.v1' },
  email: { topic: topics.emailCommands.name, type: 'email.send.v1' },
  sms: { topic: topics.messagingCommands.name, type: 'messaging.send.v1' },
  whatsapp: { topic: topics.messagingCommands.name, type: 'messaging.send.v1' },
} as const;

/** Takes the next channel of requests that failed or were not delivered in time, each step once. */
@Injectable()
export class Fallback {
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#work = new Periodic('fallback', config.FALLBACK_POLL_MS, log, async () => {
      return (await transact((tx) => takeFallbacks(tx, new Date()))) >= perPass;
    });
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }
}

/** One batch: the steps, their commands and their lines in the history are one transaction. */
export async function takeFallbacks(tx: Transaction, now: Date): Promise<number> {
  const { rows } = await run<MessageRow>(
    tx,
    'select * from messages where fallback_at <= $1 order by fallback_at limit $2 for update skip locked',
    [now, perPass],
  );
  const taken = rows.map(toMessage).map((message) => ({ message, ...takeFallback(message, now) }));
  await save(
    tx,
    taken.map(({ step }) => step),
  );
  const sent = taken.flatMap(({ message, command }) => (command ? [{ message, command }] : []));
  await outbox.append(
    tx,
    sent.map(({ message, command }) => toEvent(message, command, now)),
  );
  if (sent.length > 0) failpoints.reached('fallback.saving');
  onCommit(tx, () => {
    for (const { command } of sent) fallbacks.inc({ channel: command.channel });
    if (sent.length > 0) failpoints.reached('fallback.taken');
  });
  return rows.length;
}

function toEvent(message: Message, { channel, to, data }: FallbackCommand, now: Date): OutgoingEvent {
  const { topic, type } = commands[channel];
  return {
    topic,
    key: `${message.tenant}:${to}`,
    event: {
      id: data.idempotencyKey,
      source: eventSource,
      type,
      time: now.toISOString(),
      subject: message.id,
      traceparent: message.traceparent,
      data,
    },
  };
}
