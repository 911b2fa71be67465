import { type Attempt, type Attempted, AttemptStore } from '@signalbox/outbound';
import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Email } from '../email/email.ts';
import { emailTable } from '../email/email.store.ts';

export const attempts = new AttemptStore('email_id', emailTable);

/**
 * Notes that calls are about to be made; must be committed before. Returns the emails that may be called: those of the others were
 * taken for never called meanwhile, because this process was suspended past their lease.
 */
export async function markCalled(
  tx: Transaction,
  made: readonly Pick<Attempt, 'itemId' | 'number'>[],
): Promise<Set<string>> {
  const rows = columns(made, { email_id: 'uuid', number: 'integer' }, ({ itemId, number }) => ({
    email_id: itemId,
    number,
  }));
  const { rows: marked } = await run<{ email_id: string }>(
    tx,
    `update attempts a set called_at = now() from ${rows.as('n')}
     where a.email_id = n.email_id and a.number = n.number and a.state = 'calling' returning a.email_id`,
    rows.parameters,
  );
  return new Set(marked.map(({ email_id }) => email_id));
}

/** Locks emails whose attempt was never made, with that attempt: its lease is over, and no call was noted. */
export async function lockUncalled(tx: Transaction, now: Date, limit: number): Promise<Attempted<Email>[]> {
  const uncalled = `state = 'calling' and lease_until <= $1 and called_at is null`;
  const { rows: found } = await run<{ email_id: string }>(
    tx,
    `select email_id from attempts where ${uncalled} order by lease_until limit $2`,
    [now, limit],
  );
  if (found.length === 0) return [];
  const locked = await attempts.lock(
    tx,
    found.map(({ email_id }) => email_id),
  );
  // Again under the lock: a call may have been noted, or another replica have been here.
  const { rows: still } = await run<{ email_id: string; number: number }>(
    tx,
    `select email_id, number from attempts where ${uncalled} and email_id = any($2)`,
    [now, locked.map(({ item }) => item.id)],
  );
  const numbers = new Map(still.map(({ email_id, number }) => [email_id, number]));
  return locked.filter(({ item, attempt }) => numbers.get(item.id) === attempt.number);
}

/**
 * Attempts whose call was noted and has no answer by the end of its lease are in doubt from now on. What was claimed and never
 * called is not among them: it is surely not sent, also when it came to the end of its lease only after `lockUncalled` looked.
 */
export async function doubtCalled(tx: Transaction, now: Date, limit: number): Promise<void> {
  await run(
    tx,
    `update attempts a set state = 'in_doubt', lease_until = $1
     from (
       select email_id, number from attempts
       where state = 'calling' and lease_until <= $1 and called_at is not null
       order by lease_until limit $2 for update skip locked
     ) due
     where a.email_id = due.email_id and a.number = due.number`,
    [now, limit],
  );
}

/** Which of these emails were sent again before without anybody knowing. */
export async function givenUpAmong(tx: Transaction, emailIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await run<{ email_id: string }>(
    tx,
    `select email_id from attempts where email_id = any($1) and state = 'given_up'`,
    [emailIds],
  );
  return new Set(rows.map(({ email_id }) => email_id));
}
