import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { callbackOutcomes, countSteps } from '../metrics.ts';
import { type Step, unchanged } from '../call/call.ts';
import { eventKey, type HistoryLine, knownEvents, lock, save, writeHistory } from '../call/call.store.ts';
import { advance, type ReportOutcome } from './progress.rules.ts';

type Callback = EventOf<typeof topics.twilioCallCallbacks>;

@Controller()
export class ProgressHandler {
  @OnBatch(topics.twilioCallCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const outcomes: (ReportOutcome | 'repeated' | 'unmatched')[] = [];
    const callbacks = batch.map(({ event }) => event).filter(({ type }) => type === 'twilio.call.status.v1');
    const calls = await lock(
      tx,
      callbacks.flatMap(({ data }) => data.correlationId ?? []),
    );
    const matched = callbacks.flatMap((callback) => {
      const call = calls.get(callback.data.correlationId ?? '');
      // A signature vouches for its own tenant only.
      return call?.tenant === callback.data.tenant ? [{ callback, call }] : [];
    });
    outcomes.push(...Array.from({ length: callbacks.length - matched.length }, () => 'unmatched' as const));
    const known = await knownEvents(
      tx,
      matched.map(({ callback, call }) => ({ callId: call.id, eventId: callback.id })),
    );

    const steps = new Map<string, Step>();
    const history: HistoryLine[] = [];
    for (const { callback, call } of matched) {
      const key = eventKey(call.id, callback.id);
      if (known.has(key)) {
        outcomes.push('repeated');
        continue;
      }
      known.add(key);
      const { step, outcome } = advance(steps.get(call.id) ?? unchanged(call), callback.data, now);
      outcomes.push(outcome);
      steps.set(call.id, step);
      history.push(line(callback, call.id, outcome));
    }
    await writeHistory(tx, history);
    await save(tx, [...steps.values()]);
    onCommit(tx, () => {
      countSteps([...steps.values()]);
      for (const outcome of outcomes) callbackOutcomes.inc({ outcome });
    });
  }
}

function line({ id, data }: Callback, callId: string, outcome: ReportOutcome): HistoryLine {
  return {
    callId,
    at: data.receivedAt,
    kind: 'callback',
    eventId: id,
    detail: { status: data.status, outcome, errorCode: data.errorCode, providerSid: data.resourceSid },
  };
}
