import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { failpoints, onCommit, type Transaction } from '@signalbox/persistence';
import { eventKey, knownEvents } from '../message/history.store.ts';
import { type Message, remark, type Remark, type Step, unchanged } from '../message/message.ts';
import { lock, lockByProviderSid, save } from '../message/message.store.ts';
import { callbackOutcomes, countSteps, countSuppressions, doubleSends, unknownStatuses } from '../metrics.ts';
import { poolOf, provedByCallback } from '../suppression/refusal.rules.ts';
import { applyRequests, learnPools } from '../suppression/suppression.store.ts';
import { advance, isNews, type ReportOutcome } from './delivery.rules.ts';
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
      matched
        .filter(({ callback, message }) => !isNews(message, callback.data))
        .map(({ callback, message }) => ({ messageId: message.id, eventId: callback.id })),
    );

    const steps = new Map<string, Step>();
    const fresh: { callback: Callback; message?: Message }[] = [];
    let repeated = 0;
    for (const { callback, message } of matched) {
      const key = eventKey(message.id, callback.id);
      if (known.has(key)) {
        repeated++;
        continue;
      }
      known.add(key);
      const before = steps.get(message.id) ?? unchanged(message);
      const { step, outcome } = advance(before, callback.data, now);
      onCommit(tx, () => count(outcome, step, callback));
      const change = step.changes.length > before.changes.length ? step.changes.at(-1) : undefined;
      steps.set(message.id, remark(step, toRemark(callback, outcome, change)));
      fresh.push({ callback, message });
    }
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
    const suppressions = await applyRequests(tx, proved);
    onCommit(tx, () => {
      callbackOutcomes.inc({ outcome: 'repeated' }, repeated);
      countSuppressions(suppressions);
      countSteps([...steps.values()]);
      failpoints.reached('delivery.committed');
    });
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

function toRemark({ id, data }: Callback, outcome: ReportOutcome, change: Remark['change']): Remark {
  return {
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
    change,
  };
}
