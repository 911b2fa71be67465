import type { Failure } from '@signalbox/contracts';
import { columns, run, runPrepared, type Transaction, type Write, writeAll } from '@signalbox/persistence';
import type { Message } from '../message/message.ts';
import { messageNames, type MessageRow, toMessage } from '../message/message.store.ts';
import type { Attempt, AttemptState } from './attempt.ts';

const attemptColumns = {
  message_id: 'uuid',
  number: 'integer',
  state: 'text',
  started_at: 'timestamptz',
  lease_until: 'timestamptz',
  worker: 'text',
  finished_at: 'timestamptz',
  provider_sid: 'text',
  http_status: 'integer',
  error: 'jsonb',
} as const;

export interface AttemptRow {
  readonly message_id: string;
  readonly number: number;
  readonly state: AttemptState;
  readonly started_at: Date;
  readonly lease_until: Date;
  readonly worker: string;
  readonly finished_at: Date | null;
  readonly provider_sid: string | null;
  readonly http_status: number | null;
  readonly error: Failure | null;
}

/** The same in JSON, where times are strings. */
type AttemptJson = Omit<AttemptRow, 'started_at' | 'lease_until' | 'finished_at'> &
  Record<'started_at' | 'lease_until', string> & { readonly finished_at: string | null };

/**
 * Said the long way round, so that the planner does not take the index of open attempts for it: every attempt passes
 * through that index, which makes it small for the statistics and full of dead entries in fact.
 */
const isOpen = `a.state not in ('accepted', 'refused', 'deferred', 'not_taken', 'given_up')`;

/** Opens attempts; must be committed before the provider is called. */
export function attemptsOpened(attempts: readonly Attempt[]): Write {
  if (attempts.length === 0) return undefined;
  const rows = columns(attempts, attemptColumns, toRow);
  return (first) => ({
    sql: `insert into attempts (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}

/** What became of attempts. One that is closed stays as it is: whoever settled it first was right. */
export function attemptsSettled(attempts: readonly Attempt[]): Write {
  if (attempts.length === 0) return undefined;
  const rows = columns(attempts, attemptColumns, toRow);
  return (first) => ({
    sql: `update attempts a
     set state = n.state, lease_until = n.lease_until, finished_at = n.finished_at, provider_sid = n.provider_sid,
         http_status = n.http_status, error = n.error
     from ${rows.as('n', first)}
     where a.message_id = n.message_id and a.number = n.number and ${isOpen}`,
    parameters: rows.parameters,
  });
}

export async function saveAttempts(tx: Transaction, attempts: readonly Attempt[]): Promise<void> {
  await writeAll(tx, [attemptsSettled(attempts)]);
}

/** Locks messages together with their open attempts; one without an open attempt is left out. */
export async function lockAttempted(
  tx: Transaction,
  messageIds: readonly string[],
): Promise<{ message: Message; attempt: Attempt }[]> {
  const { rows } = await runPrepared<MessageRow & { open: AttemptJson }>(
    tx,
    // Both are locked, so that an attempt which was settled while this waited is seen to be closed.
    `select ${messageNames('m')}, to_jsonb(a) as open from messages m join attempts a on a.message_id = m.id
     where m.id = any($1) and ${isOpen} order by m.id for update of m, a`,
    [messageIds],
  );
  return rows.map(toPair);
}

function toPair({ open, ...row }: MessageRow & { readonly open: AttemptJson }): { message: Message; attempt: Attempt } {
  return {
    message: toMessage(row),
    attempt: toAttempt({
      ...open,
      started_at: new Date(open.started_at),
      lease_until: new Date(open.lease_until),
      finished_at: open.finished_at === null ? null : new Date(open.finished_at),
    }),
  };
}

/** The open attempts of messages the caller has locked. */
export async function openAttempts(tx: Transaction, messageIds: readonly string[]): Promise<Attempt[]> {
  const { rows } = await run<AttemptRow>(
    tx,
    `select * from attempts where message_id = any($1) and state in ('calling', 'in_doubt') order by message_id, number`,
    [messageIds],
  );
  return rows.map(toAttempt);
}

/**
 * Attempts whose lease ran out without an answer are in doubt from now on, and left alone until `until`: the call may have
 * been made at the last moment.
 */
export async function doubtUnanswered(tx: Transaction, now: Date, until: Date, limit: number): Promise<void> {
  await run(
    tx,
    `update attempts a set state = 'in_doubt', lease_until = $2
     from (
       select message_id, number from attempts
       where state = 'calling' and lease_until <= $1
       order by lease_until limit $3 for update skip locked
     ) due
     where a.message_id = due.message_id and a.number = due.number`,
    [now, until, limit],
  );
}

/** Takes attempts in doubt that are to be looked at, each for one replica at a time: until `until` it is this one's. */
export async function takeDoubtful(tx: Transaction, now: Date, until: Date, limit: number): Promise<Attempt[]> {
  const { rows } = await run<AttemptRow>(
    tx,
    `update attempts a set lease_until = $2
     from (
       select message_id, number from attempts
       where state = 'in_doubt' and lease_until <= $1
       order by lease_until limit $3 for update skip locked
     ) due
     where a.message_id = due.message_id and a.number = due.number
     returning a.*`,
    [now, until, limit],
  );
  return rows.map(toAttempt);
}

/** Looks again at these attempts after `until`. */
export async function extendLeases(tx: Transaction, attempts: readonly Attempt[], until: Date): Promise<void> {
  await saveAttempts(
    tx,
    attempts.map((attempt) => ({ ...attempt, leaseUntil: until.toISOString() })),
  );
}

/** Which of the provider's messages belong to an attempt or a message of ours already. */
export async function claimedSids(tx: Transaction, sids: readonly string[]): Promise<Set<string>> {
  if (sids.length === 0) return new Set();
  const { rows } = await run<{ sid: string }>(
    tx,
    `select provider_sid as sid from attempts where provider_sid = any($1)
     union select provider_sid from messages where provider_sid = any($1)`,
    [sids],
  );
  return new Set(rows.map(({ sid }) => sid));
}

/** Whether another call to the same recipient may be under way, whose message could be mistaken for this attempt's. */
export async function hasLiveSibling(
  tx: Transaction,
  attempt: Attempt,
  recipient: string,
  now: Date,
): Promise<boolean> {
  const { rows } = await run(
    tx,
    `select 1 from attempts a join messages m on m.id = a.message_id
     where a.state = 'calling' and a.lease_until > $1 and m.recipient = $2 and a.message_id <> $3 limit 1`,
    [now, recipient, attempt.messageId],
  );
  return rows.length > 0;
}

/** Other messages to the same recipient with an open attempt, which the provider may or may not have taken. */
export async function rivalsOf(
  tx: Transaction,
  { id, tenant, to }: Pick<Message, 'id' | 'tenant' | 'to'>,
): Promise<{ message: Message; attempt: Attempt }[]> {
  const { rows } = await run<MessageRow & { open: AttemptJson }>(
    tx,
    `select m.*, to_jsonb(a) as open from attempts a join messages m on m.id = a.message_id
     where a.state in ('calling', 'in_doubt') and m.tenant = $1 and m.recipient = $2 and m.id <> $3
       and m.provider_sid is null`,
    [tenant, to, id],
  );
  return rows.map(toPair);
}

export async function wasGivenUp(tx: Transaction, messageId: string): Promise<boolean> {
  const { rows } = await run(tx, `select 1 from attempts where message_id = $1 and state = 'given_up'`, [messageId]);
  return rows.length > 0;
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    messageId: row.message_id,
    number: row.number,
    state: row.state,
    startedAt: row.started_at.toISOString(),
    leaseUntil: row.lease_until.toISOString(),
    worker: row.worker,
    finishedAt: row.finished_at?.toISOString() ?? null,
    providerSid: row.provider_sid,
    httpStatus: row.http_status,
    error: row.error,
  };
}

function toRow(attempt: Attempt) {
  return {
    message_id: attempt.messageId,
    number: attempt.number,
    state: attempt.state,
    started_at: attempt.startedAt,
    lease_until: attempt.leaseUntil,
    worker: attempt.worker,
    finished_at: attempt.finishedAt,
    provider_sid: attempt.providerSid,
    http_status: attempt.httpStatus,
    error: attempt.error,
  };
}
