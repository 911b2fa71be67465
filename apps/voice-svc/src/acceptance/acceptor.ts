import { Inject, Injectable } from '@nestjs/common';
import type { CallState, PlaceCallCommand } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { QuotaBook, queueOf, WaitingLimit } from '@signalbox/outbound';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { v7 as uuidv7 } from 'uuid';
import { naturalKey } from '../call/call.ts';
import { findByKey, insert } from '../call/call.store.ts';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { quotaKinds } from '../dispatch/quota-kinds.rules.ts';
import { countSteps, repeats } from '../metrics.ts';
import { accept } from './accept.rules.ts';
import { knownFlows } from './known-flow.store.ts';

export interface PlaceAsked {
  readonly command: PlaceCallCommand;
  readonly traceparent: string | undefined;
}

/** A request that has its call. */
export interface Accepted {
  readonly callId: string;
  readonly state: CallState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

/** Of the tenant too many wait already: nothing was stored, and the same request may come again. */
export interface TurnedAway {
  readonly result: 'full';
}

export type Acceptance = Accepted | TurnedAway;

/** Takes requests in, whichever way they came: one call per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  readonly #tenants: TenantDirectory;
  readonly #quotas: QuotaBook;
  readonly #limit: WaitingLimit;

  constructor(
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(CONFIG) config: Pick<VoiceConfig, 'MAX_WAITING'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#tenants = tenants;
    this.#quotas = quotas;
    this.#limit = new WaitingLimit({
      table: 'calls',
      mostOf: (tenant) => tenants.byName(tenant)?.voice?.quotas?.maxWaiting,
      usual: config.MAX_WAITING,
      log,
    });
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
    const room = await this.#limit.roomFor(
      tx,
      steps.map(({ call: { tenant, lane } }) => ({ tenant, lane })),
    );
    const inserted = await insert(
      tx,
      steps.filter((_step, index) => room[index]),
    );
    // A repeat is known as one however much waits.
    const others = steps.map(({ call }) => call).filter(({ id }) => !inserted.has(id));
    const known = await findByKey(tx, others);
    const results = steps.map(({ call }, index): Acceptance => {
      if (inserted.has(call.id)) return { callId: call.id, state: call.state, result: 'new' };
      const earlier = known.get(naturalKey(call));
      if (earlier) {
        const result = earlier.requestDigest === call.requestDigest ? 'repeat' : 'conflict';
        return { callId: earlier.id, state: earlier.state, result };
      }
      if (room[index]) throw new Error('an idempotency key was refused as known and then not found');
      return { result: 'full' };
    });
    onCommit(tx, () => {
      const added = steps.filter(({ call }) => inserted.has(call.id));
      countSteps(added);
      for (const { call } of added) if (call.dueAt !== null) this.#limit.added(call.tenant);
      for (const { result } of results) if (result === 'repeat' || result === 'conflict') repeats.inc({ result });
    });
    return results;
  }
}
