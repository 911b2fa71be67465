import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { SendCommand } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { v7 as uuidv7 } from 'uuid';
import type { MessageState } from '@signalbox/contracts';
import { insert } from '../message/message.store.ts';
import { countSteps, repeats } from '../metrics.ts';
import { accept } from './accept.rules.ts';

export interface SendAsked {
  readonly command: SendCommand;
  readonly traceparent: string | undefined;
}

export interface Acceptance {
  readonly messageId: string;
  readonly state: MessageState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

export class UnknownTenant extends Error {
  constructor(readonly tenant: string) {
    super('the tenant is not in the tenant file');
    this.name = 'UnknownTenant';
  }
}

interface Known {
  readonly id: string;
  readonly state: MessageState;
  readonly digest: string;
}

/** Takes send requests in, whichever way they came: one message per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  readonly #tenants: TenantDirectory;

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory) {
    this.#tenants = tenants;
  }

  knows(tenant: string): boolean {
    return this.#tenants.byName(tenant) !== undefined;
  }

  /**
   * Answers each request in order.
   * @throws UnknownTenant; the HTTP guard and the Kafka handler rule it out beforehand
   */
  async accept(tx: Transaction, asked: readonly SendAsked[]): Promise<Acceptance[]> {
    const now = new Date();
    const steps = asked.map(({ command, traceparent }) => {
      const tenant = this.#tenants.byName(command.tenant);
      if (!tenant) throw new UnknownTenant(command.tenant);
      return accept(command, { id: uuidv7(), now, tenant, digest: digest(command), traceparent });
    });
    const inserted = await insert(tx, steps);
    const others = steps.filter(({ message }) => !inserted.has(message.id)).map(({ message }) => message);
    const known = await byIdempotencyKey(tx, others);
    countSteps(steps.filter(({ message }) => inserted.has(message.id)));

    return steps.map(({ message }): Acceptance => {
      if (inserted.has(message.id)) return { messageId: message.id, state: message.state, result: 'new' };
      const earlier = known.get(naturalKey(message));
      if (!earlier) throw new Error('an idempotency key was refused as known and then not found');
      const result = earlier.digest === message.requestDigest ? 'repeat' : 'conflict';
      repeats.inc({ result });
      return { messageId: earlier.id, state: earlier.state, result };
    });
  }
}

async function byIdempotencyKey(
  tx: Transaction,
  wanted: readonly { tenant: string; idempotencyKey: string }[],
): Promise<Map<string, Known>> {
  if (wanted.length === 0) return new Map();
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, (message) => ({
    tenant: message.tenant,
    idempotency_key: message.idempotencyKey,
  }));
  const { rows } = await run<{
    id: string;
    tenant: string;
    idempotency_key: string;
    state: MessageState;
    request_digest: string;
  }>(
    tx,
    `select m.id, m.tenant, m.idempotency_key, m.state, m.request_digest
     from messages m join ${keys.as('n')} on m.tenant = n.tenant and m.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(
    rows.map((row) => [
      naturalKey({ tenant: row.tenant, idempotencyKey: row.idempotency_key }),
      { id: row.id, state: row.state, digest: row.request_digest },
    ]),
  );
}

function naturalKey({ tenant, idempotencyKey }: { tenant: string; idempotencyKey: string }): string {
  return `${tenant}\0${idempotencyKey}`;
}

/** Of the request as validated, so that defaults left out and defaults written are the same request. */
function digest(command: SendCommand): string {
  return createHash('sha256').update(JSON.stringify(command, sortedKeys)).digest('hex');
}

function sortedKeys(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
