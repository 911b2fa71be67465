import { onCommit, Outbox, run, type Transact, type Transaction } from '@signalbox/persistence';
import { maskNumber } from '@signalbox/telemetry';
import { type Message, move, unchanged } from '../message/message.ts';
import { isFinal } from '../message/message.state.ts';
import { lock, save } from '../message/message.store.ts';
import { countSteps } from '../metrics.ts';
import { toSuppressionEvent } from '../suppression/suppression.rules.ts';
import { type SuppressionRow, toSuppression } from '../suppression/suppression.store.ts';
import { v7 as uuidv7 } from 'uuid';
import { defer, erasedName, eraseMessages } from './retention.store.ts';

const outbox = new Outbox();
const perBatch = 500;

export interface Erasure {
  readonly erasureId: string;
  readonly requestedAt: string;
  /** Erased now, those that were waiting and are canceled among them. */
  readonly messages: number;
  readonly inbound: number;
  /** With the provider at this moment; erased as soon as they have ended. */
  readonly deferred: number;
  /** Whether an opt-out stands; it outlives the erasure. */
  readonly optedOut: boolean;
}

/**
 * Takes a person out of everything a tenant has of them, in bounded batches; doing it again takes out what came since.
 *
 * Where they stand on the suppression list stays, in clear but without who said so and why: it must be matched with the
 * number of every later message, a hash of ten digits is undone in seconds by whoever has the key, and without it they
 * would be written to again.
 */
export async function erase(
  transact: Transact,
  request: { readonly tenant: string; readonly recipient: string; readonly requestedBy: string },
  now: Date,
): Promise<Erasure> {
  const { tenant, requestedBy } = request;
  const number = request.recipient.replace(/^whatsapp:/, '');
  const addresses = [number, `whatsapp:${number}`, `rcs:${number}`];
  const erasureId = uuidv7();
  const done = { messages: 0, deferred: 0 };
  for (;;) {
    const batch = await transact((tx) => eraseBatch(tx, tenant, addresses, erasureId, now));
    done.messages += batch.messages;
    done.deferred += batch.deferred;
    if (batch.messages + batch.deferred < perBatch) break;
  }
  return transact(async (tx) => {
    const inbound = await eraseRest(tx, tenant, addresses, erasureId);
    const optedOut = await strip(tx, tenant, addresses);
    await run(
      tx,
      `insert into erasures (id, tenant, recipient, requested_by, requested_at, messages, inbound, deferred)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [erasureId, tenant, maskNumber(number), requestedBy, now, done.messages, inbound, done.deferred],
    );
    return { erasureId, requestedAt: now.toISOString(), ...done, inbound, optedOut };
  });
}

async function eraseBatch(
  tx: Transaction,
  tenant: string,
  addresses: readonly string[],
  erasure: string,
  now: Date,
): Promise<{ messages: number; deferred: number }> {
  const { rows } = await run<{ id: string }>(
    tx,
    `select id from messages m where tenant = $1 and recipient = any($2)
     and not exists (select from retention_deferred d where d.message_id = m.id and d.erasure is not null) limit $3`,
    [tenant, addresses, perBatch],
  );
  const locked = [
    ...(
      await lock(
        tx,
        rows.map(({ id }) => id),
      )
    ).values(),
  ];
  const steps = locked.filter(isWaiting).map((message) => move(unchanged(message), 'canceled', now.toISOString()));
  await save(tx, steps);
  onCommit(tx, () => countSteps(steps));
  const over = locked.filter((message) => isWaiting(message) || isFinal(message.state)).map(({ id }) => id);
  const inFlight = locked.filter((message) => !isWaiting(message) && !isFinal(message.state)).map(({ id }) => id);
  await eraseMessages(tx, over, erasure);
  await defer(tx, inFlight, erasure);
  return { messages: over.length, deferred: inFlight.length };
}

/** No attempt is open: it can still be stopped. */
function isWaiting(message: Message): boolean {
  return message.dueAt !== null;
}

async function eraseRest(tx: Transaction, tenant: string, addresses: readonly string[], erasure: string) {
  const { affected } = await run(
    tx,
    `update inbound_messages set sender = $3, body = null, media = '[]', redacted_at = now()
     where tenant = $1 and sender = any($2)`,
    [tenant, addresses, erasedName(erasure)],
  );
  await run(tx, 'delete from conversations where tenant = $1 and person = any($2)', [tenant, addresses]);
  await run(
    tx,
    `delete from unmatched_callbacks
     where tenant = $1 and (callback -> 'params' ->> 'To' = any($2) or callback -> 'params' ->> 'From' = any($2))`,
    [tenant, addresses],
  );
  return affected;
}

/**
 * Leaves of the suppressions where the person stands, and of their history the last change. What was told of it is told
 * again without the details, under the same key, id and sequence: readers have it already, and compaction drops the first.
 */
async function strip(tx: Transaction, tenant: string, addresses: readonly string[]): Promise<boolean> {
  const { rows } = await run<SuppressionRow & { had_details: boolean }>(
    tx,
    `with locked as materialized (
       select *, source is not null or keyword is not null as had_details
       from suppressions where tenant = $1 and recipient = any($2)
       order by tenant, recipient, channel, scope for update)
     update suppressions s set source = null, keyword = null from locked l
     where s.tenant = l.tenant and s.recipient = l.recipient and s.channel = l.channel and s.scope = l.scope
     returning s.*, l.had_details`,
    [tenant, addresses],
  );
  await run(
    tx,
    `delete from suppression_changes c using suppressions s
     where c.tenant = $1 and c.recipient = any($2) and s.tenant = c.tenant and s.recipient = c.recipient
       and s.channel = c.channel and s.scope = c.scope and c.sequence < s.sequence`,
    [tenant, addresses],
  );
  await run(
    tx,
    'update suppression_changes set source = null, keyword = null where tenant = $1 and recipient = any($2)',
    [tenant, addresses],
  );
  const standing = rows.filter(({ sequence, had_details }) => sequence > 0 && had_details);
  await outbox.append(
    tx,
    standing.map(({ had_details: _, ...row }) => toSuppressionEvent(toSuppression(row))),
  );
  return rows.some(({ state }) => state === 'opted_out');
}
