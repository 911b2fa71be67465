import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { failpoints, onCommit, type Transaction } from '@signalbox/persistence';
import { eventKey, knownEvents } from '../message/history.store.ts';
import { type MessageHead, remark, type Remark, type Step, unchanged } from '../message/message.ts';
import { idsOfProviderSids, lockHeads, providerKey, save } from '../message/message.store.ts';
import { callbackOutcomes, countSteps, countSuppressions, doubleSends, unknownStatuses } from '../metrics.ts';
import { poolOf, provedByCallback } from '../suppression/refusal.rules.ts';
import type { Suppression } from '../suppression/suppression.rules.ts';
import { applyRequests, learnPools } from '../suppression/suppression.store.ts';
import { advance, isNews, type ReportOutcome } from './delivery.rules.ts';
import { keepUnmatched } from './unmatched.store.ts';

type Callback = EventOf<typeof topics.twilioMessageCallbacks>;

/** A callback and the message it speaks of, as it was locked. */
interface Matched {
  readonly callback: Callback;
  readonly message: MessageHead;
}

interface Applied extends Matched {
  readonly step: Step<MessageHead>;
  readonly outcome: ReportOutcome;
}

@Controller()
export class DeliveryHandler {
  @OnBatch(topics.twilioMessageCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const { matched, strays } = await lockMessages(
      tx,
      batch.map(({ event }) => event),
    );
    const { applied, steps } = applyInOrder(matched, await repeatsAmong(tx, matched), new Date());
    await save(tx, steps);
    const unmatched = await keepUnmatched(tx, strays);
    const suppressions = await learnOptOuts(tx, [...applied, ...unmatched.map((callback) => ({ callback }))]);
    onCommit(tx, () => {
      for (const one of applied) count(one);
      callbackOutcomes.inc({ outcome: 'repeated' }, matched.length - applied.length);
      callbackOutcomes.inc({ outcome: 'unmatched' }, strays.length);
      countSuppressions(suppressions);
      countSteps(steps);
      failpoints.reached('delivery.committed');
    });
  }
}

/** Finds and locks by our id from the callback URL, else by the provider's. */
async function lockMessages(
  tx: Transaction,
  callbacks: readonly Callback[],
): Promise<{ matched: Matched[]; strays: Callback[] }> {
  const strangers = callbacks.filter(({ data }) => data.correlationId === null);
  const idsBySid = await idsOfProviderSids(
    tx,
    strangers.map(({ data: { tenant, resourceSid: providerSid } }) => ({ tenant, providerSid })),
  );
  const idOf = ({ correlationId, tenant, resourceSid: providerSid }: Callback['data']) =>
    correlationId ?? idsBySid.get(providerKey({ tenant, providerSid }));
  const ids = callbacks.flatMap(({ data }) => idOf(data) ?? []);
  const messages = await lockHeads(tx, ids);
  const matched: Matched[] = [];
  const strays: Callback[] = [];
  for (const callback of callbacks) {
    const message = messages.get(idOf(callback.data) ?? '');
    // A signature vouches for its own tenant only.
    if (message?.tenant === callback.data.tenant) matched.push({ callback, message });
    else strays.push(callback);
  }
  return { matched, strays };
}

/** Those that the history tells of already. What would move its message is none of them, and need not be looked for. */
async function repeatsAmong(tx: Transaction, matched: readonly Matched[]): Promise<Set<string>> {
  const doubtful = matched.filter(({ callback, message }) => !isNews(message, callback.data));
  return knownEvents(
    tx,
    doubtful.map(({ callback, message }) => ({ messageId: message.id, eventId: callback.id })),
  );
}

/** Applies each callback once, one after the other. */
function applyInOrder(
  matched: readonly Matched[],
  repeats: ReadonlySet<string>,
  now: Date,
): { applied: Applied[]; steps: Step<MessageHead>[] } {
  const seen = new Set(repeats);
  const steps = new Map<string, Step<MessageHead>>();
  const applied: Applied[] = [];
  for (const { callback, message } of matched) {
    const key = eventKey(message.id, callback.id);
    if (seen.has(key)) continue;
    seen.add(key);
    const before = steps.get(message.id) ?? unchanged(message);
    const { step, outcome } = advance(before, callback.data, now);
    const change = step.changes.length > before.changes.length ? step.changes.at(-1) : undefined;
    steps.set(message.id, remark(step, toRemark(callback, outcome, change)));
    applied.push({ callback, message, step, outcome });
  }
  return { applied, steps: [...steps.values()] };
}

/** What callbacks say of opt-outs, and of the senders of a messaging service; also those of no message of ours. */
async function learnOptOuts(
  tx: Transaction,
  callbacks: readonly (Pick<Matched, 'callback'> & Partial<Matched>)[],
): Promise<Suppression[]> {
  await learnPools(
    tx,
    callbacks.flatMap(({ callback }) => poolOf(callback) ?? []),
  );
  return applyRequests(
    tx,
    callbacks.flatMap(({ callback, message }) => provedByCallback(callback, message) ?? []),
  );
}

function count({ outcome, step, callback: { data } }: Applied): void {
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
