import { Controller } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { callbackOutcomes, countSteps } from '../metrics.ts';
import { type Step, unchanged } from '../verification/verification.ts';
import {
  eventKey,
  type HistoryLine,
  knownEvents,
  lock,
  save,
  writeHistory,
} from '../verification/verification.store.ts';
import { advance, type ReportOutcome } from './progress.rules.ts';

type Callback = EventOf<typeof topics.twilioVerifyCallbacks>;

@Controller()
export class ProgressHandler {
  @OnBatch(topics.twilioVerifyCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const outcomes: (ReportOutcome | 'repeated' | 'unmatched')[] = [];
    const callbacks = batch.map(({ event }) => event);
    const verifications = await lock(
      tx,
      callbacks.flatMap(({ data }) => data.correlationId ?? []),
    );
    const matched = callbacks.flatMap((callback) => {
      const verification = verifications.get(callback.data.correlationId ?? '');
      // A signature vouches for its own tenant only.
      return verification?.tenant === callback.data.tenant ? [{ callback, verification }] : [];
    });
    outcomes.push(...Array.from({ length: callbacks.length - matched.length }, () => 'unmatched' as const));
    const known = await knownEvents(
      tx,
      matched.map(({ callback, verification }) => ({ verificationId: verification.id, eventId: callback.id })),
    );

    const steps = new Map<string, Step>();
    const history: HistoryLine[] = [];
    for (const { callback, verification } of matched) {
      const key = eventKey(verification.id, callback.id);
      if (known.has(key)) {
        outcomes.push('repeated');
        continue;
      }
      known.add(key);
      const { step, outcome } = advance(steps.get(verification.id) ?? unchanged(verification), callback.data, now);
      outcomes.push(outcome);
      steps.set(verification.id, step);
      history.push(line(callback, verification.id, outcome));
    }
    await writeHistory(tx, history);
    await save(tx, [...steps.values()]);
    onCommit(tx, () => {
      countSteps([...steps.values()]);
      for (const outcome of outcomes) callbackOutcomes.inc({ outcome });
    });
  }
}

function line({ id, data }: Callback, verificationId: string, outcome: ReportOutcome): HistoryLine {
  return {
    verificationId,
    at: data.receivedAt,
    kind: 'callback',
    eventId: id,
    detail: { status: data.status, outcome, errorCode: data.errorCode, providerSid: data.resourceSid },
  };
}
