import { Inject, Injectable } from '@nestjs/common';
import type { CallState, PlaceCallCommand } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { QuotaBook, queueOf } from '@signalbox/outbound';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { v7 as uuidv7 } from 'uuid';
import { naturalKey } from '../call/call.ts';
import { findByKey, insert } from '../call/call.store.ts';
import { quotaKinds } from '../dispatch/quota-kinds.rules.ts';
import { countSteps, repeats } from '../metrics.ts';
import { accept } from './accept.rules.ts';
import { knownFlows } from './known-flow.store.ts';

export interface PlaceAsked {
  readonly command: PlaceCallCommand;
  readonly traceparent: string | undefined;
}

export interface Acceptance {
  readonly callId: string;
  readonly state: CallState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

/** Takes requests in, whichever way they came: one call per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  readonly #tenants: TenantDirectory;
  readonly #quotas: QuotaBook;

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory, @Inject(QuotaBook) quotas: QuotaBook) {
    this.#tenants = tenants;
    this.#quotas = quotas;
  }

  knows(tenant: string): boolean {
    return this.#tenants.byName(tenant) !== undefined;
  }

  /**
   * Answers each request in order.
   * @throws when a tenant is unknown; the HTTP guard and the Kafka handler rule it out beforehand
   */
  async accept(tx: Transaction, asked: readonly PlaceAsked[]): Promise<Acceptance[]> {
    const now = new Date();
    const hasFlow = await knownFlows(
      tx,
      asked.map(({ command }) => command),
    );
    const steps = asked.map(({ command, traceparent }) => {
      const tenant = this.#tenants.byName(command.tenant);
      if (!tenant) throw new Error('the tenant is not in the tenant file');
      const context = { id: uuidv7(), now, tenant, digest: requestDigest(command), traceparent };
      const step = accept(command, { ...context, hasFlow: hasFlow(command) });
      const queue = queueOf(quotaKinds, this.#quotas.of(tenant.name), step.call);
      return { ...step, call: { ...step.call, queue } };
    });
    const inserted = await insert(tx, steps);
    const others = steps.map(({ call }) => call).filter(({ id }) => !inserted.has(id));
    const known = await findByKey(tx, others);
    const results = steps.map(({ call }): Acceptance => {
      if (inserted.has(call.id)) return { callId: call.id, state: call.state, result: 'new' };
      const earlier = known.get(naturalKey(call));
      if (!earlier) throw new Error('an idempotency key was refused as known and then not found');
      const result = earlier.requestDigest === call.requestDigest ? 'repeat' : 'conflict';
      return { callId: earlier.id, state: earlier.state, result };
    });
    onCommit(tx, () => {
      countSteps(steps.filter(({ call }) => inserted.has(call.id)));
      for (const { result } of results) if (result !== 'new') repeats.inc({ result });
    });
    return results;
  }
}
