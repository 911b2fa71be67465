import { Controller, Inject } from '@nestjs/common';
import { type CancelCallCommand, type EventOf, type PlaceCallCommand, topics } from '@signalbox/contracts';
import { type Batch, OnBatch, RejectRecord } from '@signalbox/kafka';
import { failpoints, onCommit, type Transaction } from '@signalbox/persistence';
import { turnedAway } from '../metrics.ts';
import { type Acceptance, Acceptor, type PlaceAsked } from './acceptor.ts';
import { cancelAll } from './cancel.ts';

type Command = EventOf<typeof topics.voiceCommands>;

@Controller()
export class AcceptanceHandler {
  readonly #acceptor: Acceptor;

  constructor(@Inject(Acceptor) acceptor: Acceptor) {
    this.#acceptor = acceptor;
  }

  /** Calls before cancels: in one batch a cancel can only be meant for a call that stands before it or that it overtook. */
  @OnBatch(topics.voiceCommands)
  async takeCommands(batch: Batch<Command>, tx: Transaction): Promise<void> {
    const strangers = batch.filter(({ event }) => !this.#acceptor.knows(event.data.tenant));
    if (strangers.length > 0) throw new RejectRecord(strangers, 'tenant: not in the tenant file');

    const calls: PlaceAsked[] = [];
    const cancels: CancelCallCommand[] = [];
    for (const { event } of batch) {
      if (event.type === 'voice.place.v1') {
        calls.push({ command: event.data satisfies PlaceCallCommand, traceparent: event.traceparent });
      } else {
        cancels.push(event.data);
      }
    }
    const results = await this.#acceptor.accept(tx, calls);
    // Over Kafka nobody waits for an answer, and a request that is dropped must be found somewhere.
    const requests = batch.filter(({ event }) => event.type === 'voice.place.v1');
    const thatCameTo = (result: Acceptance['result']) =>
      requests.filter((_record, index) => results[index]?.result === result);
    const conflicts = thatCameTo('conflict');
    if (conflicts.length > 0) throw new RejectRecord(conflicts, 'idempotencyKey: belongs to another request');
    const tooMany = thatCameTo('full');
    if (tooMany.length > 0) {
      for (const { event } of tooMany) turnedAway.inc({ tenant: event.data.tenant });
      throw new RejectRecord(
        tooMany,
        'tenant: as many of its calls wait to be placed as may (voice.quotas.maxWaiting)',
      );
    }

    if (cancels.length > 0) await cancelAll(tx, cancels, new Date());
    onCommit(tx, () => failpoints.reached('acceptance.committed'));
  }
}
