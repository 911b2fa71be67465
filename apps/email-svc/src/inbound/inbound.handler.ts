import { Controller, Inject } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch, RejectRecord } from '@signalbox/kafka';
import { onCommit, Outbox, type OutgoingEvent, type Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { v7 as uuidv7 } from 'uuid';
import { eventSource } from '../email/email.events.ts';
import { inboundReceived } from '../metrics.ts';
import { sanitiseHtml } from './html.ts';
import { type Inbound, readInbound } from './inbound.rules.ts';
import { linkToSent, storeInbound } from './inbound.store.ts';
import { ReplyTokens } from './reply-tokens.ts';
import { topicOf } from './route.rules.ts';

type Callback = EventOf<typeof topics.sendgridInboundCallbacks>;

const outbox = new Outbox();

@Controller()
export class InboundHandler {
  readonly #tenants: TenantDirectory;
  readonly #tokens: ReplyTokens;

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory, @Inject(ReplyTokens) tokens: ReplyTokens) {
    this.#tenants = tenants;
    this.#tokens = tokens;
  }

  /** Stores each email once and tells of it. Nothing is answered from here, and what is attached stays where the edge put it. */
  @OnBatch(topics.sendgridInboundCallbacks)
  async takeInbound(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const strangers = batch.filter(({ event }) => !this.#tenants.byName(event.data.tenant));
    if (strangers.length > 0) throw new RejectRecord(strangers, 'tenant: not in the tenant file');

    const read = batch.map(({ event }) => this.#read(event));
    const linked = (await linkToSent(tx, read)).map((inbound) => this.#route(inbound));
    const fresh = await storeInbound(tx, linked);
    await outbox.append(tx, fresh.map(toEvent));
    onCommit(tx, () => {
      for (const { received } of fresh) {
        inboundReceived.inc({ kind: received.kind, reply: received.inReplyTo?.by ?? 'none' });
      }
      inboundReceived.inc({ kind: 'repeated', reply: 'none' }, linked.length - fresh.length);
    });
  }

  #read({ id, data, traceparent }: Callback): Inbound {
    const tenant = this.#tenants.byName(data.tenant);
    return readInbound(data, {
      id: uuidv7(),
      occurrence: id,
      traceparent,
      sanitise: sanitiseHtml,
      emailOf: (address) => tenant && this.#tokens.emailOf(tenant, address),
    });
  }

  #route(inbound: Inbound): Inbound {
    const { received } = inbound;
    const routes = this.#tenants.byName(received.tenant)?.sendgrid?.inboundParse?.routes ?? [];
    return { ...inbound, received: { ...received, topic: topicOf(routes, received) } };
  }
}

function toEvent({ received, traceparent }: Inbound): OutgoingEvent {
  return {
    topic: topics.emailEvents.name,
    key: received.inboundId,
    event: {
      id: received.inboundId,
      source: eventSource,
      type: 'email.email.received.v1',
      time: received.at,
      subject: received.inboundId,
      ...(traceparent !== undefined && { traceparent }),
      data: received,
    },
  };
}
