import { Controller, Inject } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch, RejectRecord } from '@signalbox/kafka';
import type { Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { Acceptor } from './acceptor.ts';

type Command = EventOf<typeof topics.verifyCommands>;

@Controller()
export class AcceptanceHandler {
  readonly #acceptor: Acceptor;
  readonly #tenants: TenantDirectory;

  constructor(@Inject(Acceptor) acceptor: Acceptor, @Inject(TenantDirectory) tenants: TenantDirectory) {
    this.#acceptor = acceptor;
    this.#tenants = tenants;
  }

  @OnBatch(topics.verifyCommands)
  async takeCommands(batch: Batch<Command>, tx: Transaction): Promise<void> {
    const strangers = batch.filter(({ event }) => !this.#tenants.byName(event.data.tenant));
    if (strangers.length > 0) throw new RejectRecord(strangers, 'tenant: not in the tenant file');
    const results = await this.#acceptor.accept(
      tx,
      batch.map(({ event }) => event.data),
    );
    // Over Kafka nobody waits for an answer, and a request that is dropped must be found somewhere.
    const faults = results.map((one) => (one.result === 'faulty' ? `${one.fault.field}: ${one.fault.detail}` : null));
    const fault = faults.find((one) => one !== null);
    if (fault) {
      const alike = batch.filter((_record, index) => faults[index] === fault);
      throw new RejectRecord(alike, fault);
    }
    const conflicts = batch.filter((_record, index) => results[index]?.result === 'conflict');
    if (conflicts.length > 0) throw new RejectRecord(conflicts, 'idempotencyKey: belongs to another request');
  }
}
