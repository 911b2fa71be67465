import { newestFirst } from '@signalbox/domain-service';
import { type AttemptRow, toAttempt } from '@signalbox/outbound';
import type { DataSource } from 'typeorm';
import { recipientOf } from '../acceptance/accept.rules.ts';
import type { Call } from '../call/call.ts';
import { type CallRow, toCall } from '../call/call.store.ts';
import { attempts } from '../dispatch/attempt.store.ts';
import type { CallPageBody, CallStory, CallSummary, ListQuery } from './call.schemas.ts';

interface Line {
  readonly at: Date;
  readonly kind: CallStory['history'][number]['kind'];
  readonly detail: Record<string, unknown>;
}

interface FactsRow {
  readonly call_sid: string;
  readonly status: string | null;
  readonly dialled_at: Date | null;
  readonly ringing_at: Date | null;
  readonly answered_at: Date | null;
  readonly ended_at: Date | null;
  readonly duration_seconds: number | null;
  readonly queue_seconds: number | null;
  readonly answered_by: string | null;
  readonly sip_response_code: number | null;
  readonly price: string | null;
  readonly currency: string | null;
}

/** Undefined for a call that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<CallStory | undefined> {
  const [row] = await db.query<(CallRow & { redacted_at: Date | null })[]>(
    'select * from calls where id = $1 and tenant = $2',
    [id, tenant],
  );
  if (!row) return undefined;
  const call = toCall(row);
  const sids = [...call.earlierSids, call.providerSid].filter((sid) => sid !== null);
  const [tried, lines, facts, recordings] = await Promise.all([
    db.query<AttemptRow[]>(`select ${attempts.names} from attempts a where call_id = $1 order by number`, [id]),
    db.query<Line[]>('select at, kind, detail from call_history where call_id = $1 order by id', [id]),
    db.query<FactsRow[]>('select * from call_facts where tenant = $1 and call_sid = any($2)', [tenant, sids]),
    db.query<{ recording_sid: string }[]>(
      'select recording_sid from recordings where tenant = $1 and (call_id = $2 or call_sid = any($3)) order by created_at',
      [tenant, id, sids],
    ),
  ]);
  const factsBySid = new Map(facts.map((one) => [one.call_sid, one]));
  return {
    ...summarise(call),
    say: call.request.say ?? null,
    redactedAt: row.redacted_at?.toISOString() ?? null,
    nextAttemptAt: call.dueAt,
    cancelRequested: call.cancelRequested,
    attempts: tried.map(toAttempt).map(({ itemId: _id, leaseUntil: _lease, worker: _worker, ...attempt }) => attempt),
    tries: sids.flatMap((sid) => factsBySid.get(sid) ?? []).map(toTry),
    recordings: recordings.map(({ recording_sid }) => recording_sid),
    traceId: call.traceparent.split('-')[1] ?? '',
    history: lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  };
}

export async function listCalls(db: DataSource, tenant: string, query: ListQuery): Promise<CallPageBody> {
  const { to, state, idempotencyKey, inDoubt } = query;
  const where = { tenant, recipient: to && asStored(to), state, idempotency_key: idempotencyKey };
  const and = [inDoubt ? `id in (select call_id from attempts where state = 'in_doubt')` : undefined];
  const { rows, nextCursor } = await newestFirst<CallRow>(db, { table: 'calls', where, and }, query);
  return { calls: rows.map(toCall).map(summarise), nextCursor };
}

function summarise(call: Call): CallSummary {
  return {
    callId: call.id,
    idempotencyKey: call.idempotencyKey,
    to: call.to,
    from: call.from,
    flow: call.request.flow ?? null,
    lane: call.lane,
    state: call.state,
    sequence: call.sequence,
    round: call.round,
    provider: 'twilio',
    providerSid: call.providerSid,
    answeredBy: call.answeredBy,
    durationSeconds: call.durationSeconds,
    error: call.error,
    correlationId: call.request.correlationId ?? null,
    metadata: call.request.metadata,
    createdAt: call.createdAt,
    updatedAt: call.updatedAt,
  };
}

function toTry(row: FactsRow): CallStory['tries'][number] {
  const time = (at: Date | null) => at?.toISOString() ?? null;
  return {
    callSid: row.call_sid,
    status: row.status,
    dialledAt: time(row.dialled_at),
    ringingAt: time(row.ringing_at),
    answeredAt: time(row.answered_at),
    endedAt: time(row.ended_at),
    durationSeconds: row.duration_seconds,
    queueSeconds: row.queue_seconds,
    answeredBy: row.answered_by,
    sipResponseCode: row.sip_response_code,
    price: row.price,
    currency: row.currency,
  };
}

/** However a person writes a number, it is looked for as it is stored. */
function asStored(to: string): string {
  // An unescaped + of a query string arrives as a space.
  const written = to.replace(/^ (?=\d)/, '+');
  return recipientOf(written) ?? written;
}
