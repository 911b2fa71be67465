import { run, type Transact, type Transaction } from '@signalbox/persistence';
import { maskAll } from '@signalbox/telemetry';
import { v7 as uuidv7 } from 'uuid';
import { eraseInbound } from '../inbound/inbound.store.ts';
import { stripSuppressions } from '../suppression/suppression.store.ts';
import { defer, emailsOf, endAll, eraseEmails } from './retention.store.ts';

const perBatch = 500;

export interface Erasure {
  readonly erasureId: string;
  readonly requestedAt: string;
  /** Erased now, those that were waiting and are canceled among them. */
  readonly emails: number;
  /** Received ones: what they wrote, and answers to what was sent to them. */
  readonly inbound: number;
  /** In a call to SendGrid at this moment; erased as soon as that has ended. */
  readonly deferred: number;
  /** Whether an opt-out stands; it outlives the erasure. */
  readonly optedOut: boolean;
}

/**
 * Takes a person out of everything a tenant has of them, in bounded batches; doing it again takes out what came since.
 *
 * Where they stand on the suppression list stays, in clear but without who said so: it must be matched with the address of every
 * later email and with SendGrid's lists, and without it they would be written to again.
 *
 * @param request.address in lower case
 */
export async function erase(
  transact: Transact,
  request: { readonly tenant: string; readonly address: string; readonly requestedBy: string },
  now: Date,
): Promise<Erasure> {
  const { tenant, address, requestedBy } = request;
  const erasureId = uuidv7();
  const done = { emails: 0, inbound: 0, deferred: 0 };
  for (let found = true; found;) {
    const batch = await transact((tx) => eraseBatch(tx, { tenant, address }, erasureId, now));
    done.emails += batch.emails;
    done.inbound += batch.inbound;
    done.deferred += batch.deferred;
    // Not until a batch is full: the retention of the tenant may have deleted some of it meanwhile.
    found = batch.emails + batch.deferred > 0;
  }
  for (let found = true; found;) {
    const erased = await transact((tx) => eraseInbound(tx, { tenant, address }, erasureId, perBatch));
    done.inbound += erased;
    found = erased > 0;
  }
  return transact(async (tx) => {
    await run(
      tx,
      `delete from unmatched_events where tenant = $1 and lower(left(btrim(callback ->> 'email'), 320)) = $2`,
      [tenant, address],
    );
    const optedOut = await stripSuppressions(tx, tenant, address);
    await run(
      tx,
      `insert into erasures (id, tenant, recipient, requested_by, requested_at, emails, inbound, deferred)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [erasureId, tenant, maskAll(address), requestedBy, now, done.emails, done.inbound, done.deferred],
    );
    return { erasureId, requestedAt: now.toISOString(), ...done, optedOut };
  });
}

async function eraseBatch(
  tx: Transaction,
  { tenant, address }: { readonly tenant: string; readonly address: string },
  erasure: string,
  now: Date,
): Promise<Pick<Erasure, 'emails' | 'inbound' | 'deferred'>> {
  const ids = await emailsOf(tx, tenant, address, perBatch);
  const { over, inCall } = await endAll(tx, ids, 'an erasure', now);
  const inbound = await eraseEmails(tx, [...over], erasure);
  await defer(tx, inCall, erasure);
  return { emails: over.size, inbound, deferred: inCall.length };
}
