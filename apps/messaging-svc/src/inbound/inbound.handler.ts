import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, Outbox, type OutgoingEvent, type Transaction } from '@signalbox/persistence';
import { v7 as uuidv7 } from 'uuid';
import { eventSource } from '../message/message.events.ts';
import { countSuppressions } from '../metrics.ts';
import { applyRequests, equivalentOptOuts, learnPools } from '../suppression/suppression.store.ts';
import { type Inbound, keywordKey, keywordRequests, readInbound } from './inbound.rules.ts';
import { linkToOutbound, storeInbound } from './inbound.store.ts';
import { rememberSenders } from './known-sender.store.ts';

type Callback = EventOf<typeof topics.twilioInboundCallbacks>;

const outbox = new Outbox();

@Controller()
export class InboundHandler {
  /**
   * Stores and publishes each message a person sent, once per provider id, however often it is delivered, and does what
   * its keyword asks. Nothing is ever answered from here: the provider confirms STOP and answers HELP itself.
   */
  @OnBatch(topics.twilioInboundCallbacks)
  async takeInbound(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const traces = new Map<string, string | undefined>();
    const received = batch.map(({ event }) => {
      const inbound = readInbound(event.data, uuidv7());
      traces.set(inbound.data.messageId, event.traceparent);
      return inbound;
    });
    const fresh = await storeInbound(tx, await linkToOutbound(tx, received));
    await learnPools(
      tx,
      fresh.map(({ data, messagingServiceSid }) => ({ tenant: data.tenant, sender: data.to, messagingServiceSid })),
    );
    await rememberSenders(tx, fresh);
    await obeyKeywords(tx, fresh);
    await outbox.append(
      tx,
      fresh.map((inbound) => toEvent(inbound, traces.get(inbound.data.messageId))),
    );
  }
}

/** In the order in which they arrived; the topic's key keeps those of one person in one partition. */
async function obeyKeywords(tx: Transaction, fresh: readonly Inbound[]): Promise<void> {
  const starts = fresh.filter(({ keyword }) => keyword?.type === 'START');
  const equivalent = await equivalentOptOuts(tx, starts.map(keywordKey));
  const changes = await applyRequests(
    tx,
    fresh.flatMap((inbound) => keywordRequests(inbound, equivalent)),
  );
  onCommit(tx, () => countSuppressions(changes));
}

function toEvent({ data }: Inbound, traceparent: string | undefined): OutgoingEvent {
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
