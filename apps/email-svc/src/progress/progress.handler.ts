import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { callbackOutcomes, countSteps } from '../metrics.ts';
import { type Step, unchanged } from '../email/email.ts';
import { eventKey, type HistoryLine, knownEvents, lock, save, writeHistory } from '../email/email.store.ts';
import { advance, type ReportOutcome } from './progress.rules.ts';

type Callback = EventOf<typeof topics.sendgridEventCallbacks>;

@Controller()
export class ProgressHandler {
  @OnBatch(topics.sendgridEventCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const outcomes: (ReportOutcome | 'repeated' | 'unmatched')[] = [];
    const callbacks = batch.map(({ event }) => event);
    const emails = await lock(
      tx,
      callbacks.flatMap(({ data }) => data.correlationId ?? []),
    );
    const matched = callbacks.flatMap((callback) => {
      const email = emails.get(callback.data.correlationId ?? '');
      // A signature vouches for its own tenant only.
      return email?.tenant === callback.data.tenant ? [{ callback, email }] : [];
    });
    outcomes.push(...Array.from({ length: callbacks.length - matched.length }, () => 'unmatched' as const));
    const known = await knownEvents(
      tx,
      matched.map(({ callback, email }) => ({ emailId: email.id, eventId: callback.id })),
    );

    const steps = new Map<string, Step>();
    const history: HistoryLine[] = [];
    for (const { callback, email } of matched) {
      const key = eventKey(email.id, callback.id);
      if (known.has(key)) {
        outcomes.push('repeated');
        continue;
      }
      known.add(key);
      const { step, outcome } = advance(steps.get(email.id) ?? unchanged(email), callback.data, now);
      outcomes.push(outcome);
      steps.set(email.id, step);
      history.push(line(callback, email.id, outcome));
    }
    await writeHistory(tx, history);
    await save(tx, [...steps.values()]);
    onCommit(tx, () => {
      countSteps([...steps.values()]);
      for (const outcome of outcomes) callbackOutcomes.inc({ outcome });
    });
  }
}

function line({ id, data }: Callback, emailId: string, outcome: ReportOutcome): HistoryLine {
  return {
    emailId,
    at: data.receivedAt,
    kind: 'callback',
    eventId: id,
    detail: { status: data.status, outcome, errorCode: data.errorCode, providerSid: data.resourceSid },
  };
}
