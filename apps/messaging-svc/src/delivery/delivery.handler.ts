import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import type { Transaction } from '@signalbox/persistence';
import { eventKey, type HistoryLine, knownEvents, writeHistory } from '../message/history.store.ts';
import { type Message, type Step, unchanged } from '../message/message.ts';
import { lock, lockByProviderSid, save } from '../message/message.store.ts';
import { callbackOutcomes, countSteps, countSuppressions, doubleSends, unknownStatuses } from '../metrics.ts';
import { poolOf, provedByCallback } from '../suppression/refusal.rules.ts';
import { applyRequests, learnPools } from '../suppression/suppression.store.ts';
import { advance, type ReportOutcome } from './delivery.rules.ts';
import { keepUnmatched } from './unmatched.store.ts';

type Callback = EventOf<typeof topics.twilioMessageCallbacks>;

@Controller()
export class DeliveryHandler {
  @OnBatch(topics.twilioMessageCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const callbacks = batch.map(({ event }) => event);
    const messages = await lockMessages(tx, callbacks);
    const matched = callbacks.flatMap((callback) => {
      const message = messages.of(callback);
      return message ? [{ callback, message }] : [];
    });
    const known = await knownEvents(
      tx,
      matched.map(({ callback, message }) => ({ messageId: message.id, eventId: callback.id })),
    );

    const steps = new Map<string, Step>();
    const history: HistoryLine[] = [];
    const fresh: { callback: Callback; message?: Message }[] = [];
    for (const { callback, message } of matched) {
      const key = eventKey(message.id, callback.id);
      if (known.has(key)) {
        callbackOutcomes.inc({ outcome: 'repeated' });
        continue;
      }
      known.add(key);
      const { step, outcome } = advance(steps.get(message.id) ?? unchanged(message), callback.data, now);
      count(outcome, step, callback);
      steps.set(message.id, step);
      history.push(line(callback, message, outcome));
      fresh.push({ callback, message });
    }
    await writeHistory(tx, history);
    await save(tx, [...steps.values()]);
    const unmatched = await keepUnmatched(
      tx,
      callbacks.filter((callback) => !messages.of(callback)),
    );
    fresh.push(...unmatched.map((callback) => ({ callback })));
    await learnPools(
      tx,
      fresh.flatMap(({ callback }) => poolOf(callback) ?? []),
    );
    const proved = fresh.flatMap(({ callback, message }) => provedByCallback(callback, message) ?? []);
    countSuppressions(await applyRequests(tx, proved));
    countSteps([...steps.values()]);
  }
}

/** Finds and locks by our id from the callback URL, else by the provider's. */
async function lockMessages(tx: Transaction, callbacks: readonly Callback[]) {
  const ids = callbacks.flatMap(({ data }) => data.correlationId ?? []);
  const byId = await lock(tx, ids);
  const sids = callbacks.flatMap(({ data }) => (data.correlationId === null ? [data.resourceSid] : []));
  const bySid = await lockByProviderSid(tx, sids);
  return {
    of({ data }: Callback): Message | undefined {
      const message = data.correlationId === null ? bySid.get(data.resourceSid) : byId.get(data.correlationId);
      // A signature vouches for its own tenant only.
      return message?.tenant === data.tenant ? message : undefined;
    },
  };
}

function count(outcome: ReportOutcome, step: Step, { data }: Callback): void {
  callbackOutcomes.inc({ outcome });
  if (outcome === 'unknown') unknownStatuses.inc();
  // A message that was never handed over has no SID at all: whatever the callback speaks of, it was not sent twice.
  const { providerSid } = step.message;
  if (providerSid !== null && providerSid !== data.resourceSid) doubleSends.inc();
}

function line({ id, data }: Callback, message: Message, outcome: ReportOutcome): HistoryLine {
  return {
    messageId: message.id,
    at: data.receivedAt,
    kind: 'callback',
    eventId: id,
    detail: {
      status: data.status,
      outcome,
      errorCode: data.errorCode,
      providerSid: data.resourceSid,
      providerTime: data.providerTime,
    },
  };
}
