import { onCommit, run, type Transact, type Transaction } from '@signalbox/persistence';
import { maskNumber } from '@signalbox/telemetry';
import { v7 as uuidv7 } from 'uuid';
import { type Call, move, unchanged } from '../call/call.ts';
import { isFinal } from '../call/call.state.ts';
import { lock, save } from '../call/call.store.ts';
import { countSteps } from '../metrics.ts';
import {
  callsNaming,
  eraseCalls,
  eraseConferenceNames,
  eraseFacts,
  forbidRetry,
  forgetSessions,
  sweep,
} from './erase.store.ts';
import { defer } from './retention.store.ts';

const perBatch = 500;

export interface Erasure {
  readonly erasureId: string;
  readonly requestedAt: string;
  /** Placed by us: erased now, those that were waiting and are canceled among them. */
  readonly calls: number;
  /** With the provider at this moment; erased as soon as they have ended. */
  readonly deferred: number;
  /** They made or got them, and we did not place them. */
  readonly otherCalls: number;
  /** In which they are heard: deleted at the provider now; events tell when that is proven. */
  readonly recordings: number;
}

/**
 * Takes a person out of everything a tenant has of them, in bounded batches; doing it again takes out what came since. What a
 * recording says of them goes when the provider is proven to have it no more: until then somebody has to delete it there.
 */
export async function erase(
  transact: Transact,
  request: { readonly tenant: string; readonly recipient: string; readonly requestedBy: string },
  now: Date,
): Promise<Erasure> {
  const { tenant, recipient, requestedBy } = request;
  const erasureId = uuidv7();
  const done = { calls: 0, deferred: 0, otherCalls: 0, recordings: 0 };
  for (let seen = perBatch; seen >= perBatch;) {
    seen = await transact(async (tx) => {
      const batch = await eraseBatch(tx, tenant, recipient, erasureId, now);
      done.calls += batch.calls;
      done.deferred += batch.deferred;
      done.recordings += batch.recordings;
      return batch.calls + batch.deferred;
    });
  }
  for (let seen = perBatch; seen >= perBatch;) {
    seen = await transact(async (tx) => {
      const found = await eraseFacts(tx, { tenant, addresses: [recipient] }, erasureId, perBatch);
      done.recordings += await sweep(tx, tenant, found, erasureId, now);
      done.otherCalls += found.filter(({ isOurs }) => !isOurs).length;
      return found.length;
    });
  }
  // Without the plus, which a URL has in another form.
  const address = recipient.replace(/^\+/, '');
  for (let after: string | undefined = ''; after !== undefined;) {
    const from: string = after;
    after = await transact(async (tx) => {
      const { last, naming } = await callsNaming(tx, tenant, address, from, perBatch);
      await forgetSessions(tx, tenant, naming);
      return last;
    });
  }
  return transact(async (tx) => {
    await eraseConferenceNames(tx, tenant, address, erasureId);
    await run(
      tx,
      `insert into erasures (id, tenant, recipient, requested_by, requested_at, calls, deferred, other_calls, recordings)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        erasureId,
        tenant,
        maskNumber(recipient),
        requestedBy,
        now,
        done.calls,
        done.deferred,
        done.otherCalls,
        done.recordings,
      ],
    );
    return { erasureId, requestedAt: now.toISOString(), ...done };
  });
}

async function eraseBatch(
  tx: Transaction,
  tenant: string,
  recipient: string,
  erasure: string,
  now: Date,
): Promise<{ calls: number; deferred: number; recordings: number }> {
  const { rows } = await run<{ id: string }>(
    tx,
    `select id from calls c where tenant = $1 and recipient = $2
     and not exists (select from retention_deferred d where d.call_id = c.id and d.erasure is not null) limit $3`,
    [tenant, recipient, perBatch],
  );
  const ids = rows.map(({ id }) => id);
  const locked = [...(await lock(tx, ids)).values()];
  const steps = locked
    .filter(isWaiting)
    .map((call) => move(unchanged(call), 'canceled', now.toISOString(), { cancelRequested: true }));
  await save(tx, steps);
  onCommit(tx, () => countSteps(steps));
  const over = locked.filter((call) => isWaiting(call) || isFinal(call.state)).map(({ id }) => id);
  const inFlight = locked.filter((call) => !isWaiting(call) && !isFinal(call.state)).map(({ id }) => id);
  const swept = await eraseCalls(tx, over, erasure, now);
  await forbidRetry(tx, inFlight);
  await defer(tx, inFlight, erasure);
  return {
    calls: over.length,
    deferred: inFlight.length,
    recordings: await sweep(tx, tenant, swept, erasure, now),
  };
}

/** No attempt is open: it can still be stopped. */
function isWaiting(call: Call): boolean {
  return call.dueAt !== null;
}
