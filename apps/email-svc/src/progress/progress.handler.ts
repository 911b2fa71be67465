import { Controller } from '@nestjs/common';
import { topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { callbackOutcomes } from '../metrics.ts';
import { applyEvents } from './apply.ts';
import { type Callback, keepUnmatched } from './unmatched.store.ts';

@Controller()
export class ProgressHandler {
  @OnBatch(topics.sendgridEventCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const { strays } = await applyEvents(
      tx,
      batch.map(({ event }) => event),
    );
    await keepUnmatched(tx, strays);
    onCommit(tx, () => callbackOutcomes.inc({ outcome: 'unmatched' }, strays.length));
  }
}
