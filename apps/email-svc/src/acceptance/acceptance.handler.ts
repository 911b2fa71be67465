import { Controller, Inject } from '@nestjs/common';
import { type CancelEmailCommand, type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch, RejectRecord } from '@signalbox/kafka';
import { failpoints, onCommit, type Transaction } from '@signalbox/persistence';
import { turnedAway } from '../metrics.ts';
import { type Acceptance, Acceptor, type SendAsked } from './acceptor.ts';
import { cancelAll } from './cancel.ts';

type Command = EventOf<typeof topics.emailCommands>;

@Controller()
export class AcceptanceHandler {
  readonly #acceptor: Acceptor;

  constructor(@Inject(Acceptor) acceptor: Acceptor) {
    this.#acceptor = acceptor;
  }

  /** Sends before cancels: in one batch a cancel can only be meant for a send that stands before it or that it overtook. */
  @OnBatch(topics.emailCommands)
  async takeCommands(batch: Batch<Command>, tx: Transaction): Promise<void> {
    const strangers = batch.filter(({ event }) => !this.#acceptor.knows(event.data.tenant));
    if (strangers.length > 0) throw new RejectRecord(strangers, 'tenant: not in the tenant file');

    const sends: SendAsked[] = [];
    const cancels: CancelEmailCommand[] = [];
    for (const { event } of batch) {
      if (event.type === 'email.send.v1') sends.push({ command: event.data, traceparent: event.traceparent });
      else cancels.push(event.data);
    }
    const results = await this.#acceptor.accept(tx, sends);
    // Over Kafka nobody waits for an answer, and a request that is dropped must be found somewhere.
    const requests = batch.filter(({ event }) => event.type === 'email.send.v1');
    const thatCameTo = (result: Acceptance['result']) =>
      requests.filter((_record, index) => results[index]?.result === result);
    const conflicts = thatCameTo('conflict');
    if (conflicts.length > 0) throw new RejectRecord(conflicts, 'idempotencyKey: belongs to another request');
    const tooMany = thatCameTo('full');
    if (tooMany.length > 0) {
      for (const { event } of tooMany) turnedAway.inc({ tenant: event.data.tenant });
      throw new RejectRecord(
        tooMany,
        'tenant: as many of its emails wait to be sent as may (sendgrid.quotas.maxWaiting)',
      );
    }

    if (cancels.length > 0) await cancelAll(tx, cancels, new Date());
    onCommit(tx, () => failpoints.reached('acceptance.committed'));
  }
}
