import { Controller } from '@nestjs/common';
import { type EventOf, type MessageReceived, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { columns, Outbox, type OutgoingEvent, run, type Transaction } from '@signalbox/persistence';
import { v7 as uuidv7 } from 'uuid';
import { eventSource } from '../message/message.events.ts';
import { toReceived } from './inbound.rules.ts';

type Inbound = EventOf<typeof topics.twilioInboundCallbacks>;

const outbox = new Outbox();

@Controller()
export class InboundHandler {
  /** Stores and publishes each message a person sent, once per provider id, however often it is delivered. */
  @OnBatch(topics.twilioInboundCallbacks)
  async takeInbound(batch: Batch<Inbound>, tx: Transaction): Promise<void> {
    const received = batch.map(({ event }) => ({
      traceparent: event.traceparent,
      data: toReceived(event.data, uuidv7()),
    }));
    const rows = columns(
      received,
      {
        id: 'uuid',
        tenant: 'text',
        provider_sid: 'text',
        channel: 'text',
        sender: 'text',
        recipient: 'text',
        body: 'text',
        media: 'jsonb',
        opt_out_type: 'text',
        received_at: 'timestamptz',
      },
      ({ data }) => ({
        id: data.messageId,
        tenant: data.tenant,
        provider_sid: data.providerSid,
        channel: data.channel,
        sender: data.from,
        recipient: data.to,
        body: data.body,
        media: data.media,
        opt_out_type: data.optOutType,
        received_at: data.at,
      }),
    );
    const { rows: stored } = await run<{ id: string }>(
      tx,
      `insert into inbound_messages (${rows.names}) select * from ${rows.as('n')}
       on conflict on constraint inbound_messages_provider_sid do nothing returning id`,
      rows.parameters,
    );
    const fresh = new Set(stored.map(({ id }) => id));
    await outbox.append(
      tx,
      received
        .filter(({ data }) => fresh.has(data.messageId))
        .map(({ data, traceparent }) => toEvent(data, traceparent)),
    );
  }
}

function toEvent(data: MessageReceived, traceparent: string | undefined): OutgoingEvent {
  return {
    topic: topics.messagingEvents.name,
    key: data.messageId,
    event: {
      id: data.messageId,
      source: eventSource,
      type: 'messaging.message.received.v1',
      time: data.at,
      subject: data.messageId,
      ...(traceparent !== undefined && { traceparent }),
      data,
    },
  };
}
