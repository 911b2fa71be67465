import { type EventOf, type SuppressionChanged, topics } from '@signalbox/contracts';
import { Batch } from '@signalbox/kafka';
import { run } from '@signalbox/persistence';
import type { SuppressionRequest } from '../src/suppression/suppression.rules.ts';
import { applyRequests } from '../src/suppression/suppression.store.ts';
import { tenant } from './builders.ts';
import type { MessagingDatabase } from './database.ts';

type InboundCallback = EventOf<typeof topics.twilioInboundCallbacks>;

export const person = '+14155550199';
export const number = '+14155550100';
export const service = 'MG00000000000000000000000000000001';

let texts = 0;

/** A person's text, as webhook-ingest publishes it. */
export function text(body: string | null, changes: Partial<InboundCallback['data']> = {}): InboundCallback {
  const resourceSid = `SM${String(++texts).padStart(32, '0')}`;
  const data = {
    accountSid: tenant.twilio.accountSid,
    tenant: 'demo',
    resourceSid,
    correlationId: null,
    status: 'received',
    providerTime: null,
    receivedAt: new Date().toISOString(),
    errorCode: null,
    params: {},
    from: person,
    to: number,
    body,
    ...changes,
  };
  return {
    id: `${data.resourceSid}/received`,
    source: '//signalbox/webhook-ingest',
    type: 'twilio.message.received.v1',
    time: data.receivedAt,
    data,
  };
}

export function inboundBatch(...events: InboundCallback[]): Batch<InboundCallback> {
  const topic = topics.twilioInboundCallbacks.name;
  return new Batch(
    events.map((event, index) => ({
      event,
      key: event.data.from,
      topic,
      partition: 0,
      offset: String(index),
      attempt: 1,
    })),
  );
}

export function optOut(changes: Partial<SuppressionRequest> = {}): SuppressionRequest {
  return {
    tenant: 'demo',
    recipient: person,
    channel: 'sms',
    scope: service,
    state: 'opted_out',
    reason: 'api',
    source: null,
    at: new Date().toISOString(),
    ...changes,
  };
}

export function suppressNow({ transact }: MessagingDatabase, ...requests: SuppressionRequest[]) {
  return transact((tx) => applyRequests(tx, requests));
}

/** The suppression events in the outbox, in its order. */
export async function suppressionEvents({ transact }: MessagingDatabase): Promise<SuppressionChanged[]> {
  return transact(async (tx) => {
    const { rows } = await run<{ value: string }>(tx, 'select value from outbox where topic = $1 order by id', [
      topics.suppressionEvents.name,
    ]);
    return rows.map(({ value }) => JSON.parse(value) as SuppressionChanged);
  });
}
