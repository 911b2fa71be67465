import { Controller, Inject } from '@nestjs/common';
import { type CancelCommand, type EventOf, type SendCommand, topics } from '@signalbox/contracts';
import { type Batch, OnBatch, RejectRecord } from '@signalbox/kafka';
import { failpoints, onCommit, type Transaction } from '@signalbox/persistence';
import { Acceptor, type SendAsked } from './acceptance.ts';
import { cancelAll } from './cancel.ts';

type Command = EventOf<typeof topics.messagingCommands>;

@Controller()
export class AcceptanceHandler {
  readonly #acceptor: Acceptor;

  constructor(@Inject(Acceptor) acceptor: Acceptor) {
    this.#acceptor = acceptor;
  }

  /** Sends before cancels: in one batch a cancel can only be meant for a send that stands before it or that it overtook. */
  @OnBatch(topics.messagingCommands)
  async takeCommands(batch: Batch<Command>, tx: Transaction): Promise<void> {
    const sends: SendAsked[] = [];
    const cancels: CancelCommand[] = [];
    for (const record of batch) {
      const { event } = record;
      if (!this.#acceptor.knows(event.data.tenant)) {
        throw new RejectRecord(record, 'tenant: not in the tenant file');
      }
      if (event.type === 'messaging.send.v1') {
        sends.push({ command: event.data satisfies SendCommand, traceparent: event.traceparent });
      } else {
        cancels.push(event.data);
      }
    }
    await this.#acceptor.accept(tx, sends);
    if (cancels.length > 0) await cancelAll(tx, cancels, new Date());
    onCommit(tx, () => failpoints.reached('acceptance.committed'));
  }
}
