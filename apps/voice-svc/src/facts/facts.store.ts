import { type CloudEvent, topics } from '@signalbox/contracts';
import { columns, type OutgoingEvent, run, type Transaction, type Write } from '@signalbox/persistence';
import { type Bill, closing, type Facts, join } from './facts.rules.ts';

const factColumns = {
  call_sid: 'text',
  tenant: 'text',
  call_id: 'uuid',
  parent_call_sid: 'text',
  direction: 'text',
  sender: 'text',
  recipient: 'text',
  dialled_at: 'timestamptz',
  ringing_at: 'timestamptz',
  answered_at: 'timestamptz',
  ended_at: 'timestamptz',
  status: 'text',
  duration_seconds: 'integer',
  answered_by: 'text',
  sip_response_code: 'integer',
  ask_at: 'timestamptz',
} as const;

interface FactsRow {
  readonly call_sid: string;
  readonly tenant: string;
  readonly call_id: string | null;
  readonly parent_call_sid: string | null;
  readonly direction: string;
  readonly sender: string;
  readonly recipient: string;
  readonly dialled_at: Date | null;
  readonly ringing_at: Date | null;
  readonly answered_at: Date | null;
  readonly ended_at: Date | null;
  readonly status: string | null;
  readonly duration_seconds: number | null;
  readonly answered_by: string | null;
  readonly sip_response_code: number | null;
}

export interface DueFacts {
  readonly facts: Facts;
  readonly asks: number;
}

const learned = Object.keys(factColumns)
  .filter((name) => !['call_sid', 'tenant', 'direction', 'sender', 'recipient'].includes(name))
  .map((name) => `${name} = coalesce(f.${name}, excluded.${name})`)
  .join(', ');

/** A tenant may name the SID of another's call in a callback of its own: neither learns or spoils what the other has. */
const keyOf = ({ tenant, callSid }: Facts) => `${tenant} ${callSid}`;

/** Adds what callbacks say to what is known of their calls; the price of one that is over is asked for at `askAt`. */
export function factsWrite(found: readonly Facts[], askAt: Date): Write {
  if (found.length === 0) return undefined;
  const joined = new Map<string, Facts>();
  for (const facts of found) {
    const key = keyOf(facts);
    const before = joined.get(key);
    joined.set(key, before ? join(before, facts) : facts);
  }
  // Sorted like the primary key, so that two batches with common calls cannot deadlock.
  const sorted = [...joined.values()].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const rows = columns(sorted, factColumns, (facts) => ({
    call_sid: facts.callSid,
    tenant: facts.tenant,
    call_id: facts.callId,
    parent_call_sid: facts.parentCallSid,
    direction: facts.direction,
    sender: facts.from,
    recipient: facts.to,
    dialled_at: facts.dialledAt,
    ringing_at: facts.ringingAt,
    answered_at: facts.answeredAt,
    ended_at: facts.endedAt,
    status: facts.status,
    duration_seconds: facts.durationSeconds,
    answered_by: facts.answeredBy,
    sip_response_code: facts.sipResponseCode,
    ask_at: facts.endedAt === null ? null : askAt.toISOString(),
  }));
  return (first) => ({
    sql: `insert into call_facts as f (${rows.names}) select * from ${rows.as('n', first)}
     on conflict (tenant, call_sid) do update set ${learned} where f.told_at is null`,
    parameters: rows.parameters,
  });
}

/** Takes calls whose price is to be asked for, each for one replica at a time: until `until` they are this one's. */
export async function takeUnpriced(tx: Transaction, now: Date, until: Date, limit: number): Promise<DueFacts[]> {
  const { rows } = await run<FactsRow & { asks: number }>(
    tx,
    `update call_facts f set ask_at = $2, asks = f.asks + 1
     from (select tenant, call_sid from call_facts where ask_at <= $1 order by ask_at limit $3 for update skip locked) due
     where f.tenant = due.tenant and f.call_sid = due.call_sid returning f.*`,
    [now, until, limit],
  );
  return rows.map((row) => ({ facts: toFacts(row), asks: row.asks }));
}

/** Closes the account of a call, once; the event is to be appended in the same transaction. */
export async function close(tx: Transaction, { tenant, callSid }: Facts, bill: Bill, now: Date): Promise<boolean> {
  const { rows } = await run(
    tx,
    `update call_facts set price = $2, currency = $3, queue_seconds = $4, ask_at = null, told_at = $5
     where tenant = $6 and call_sid = $1 and told_at is null returning 1`,
    [callSid, bill.price, bill.currency, bill.queueSeconds, now, tenant],
  );
  return rows.length > 0;
}

export async function askLater(tx: Transaction, { tenant, callSid }: Facts, askAt: string): Promise<void> {
  await run(tx, 'update call_facts set ask_at = $3 where tenant = $1 and call_sid = $2 and told_at is null', [
    tenant,
    callSid,
    askAt,
  ]);
}

export function factsEvent(facts: Facts, bill: Bill, at: string): OutgoingEvent {
  const event: CloudEvent = {
    id: `${facts.tenant}/${facts.callSid}.facts`,
    source: '//signalbox/voice-svc',
    type: 'voice.call.facts.v1',
    time: at,
    subject: facts.callId ?? facts.callSid,
    data: closing(facts, bill, at),
  };
  return { topic: topics.voiceEvents.name, key: facts.callId ?? facts.callSid, event };
}

function toFacts(row: FactsRow): Facts {
  return {
    callSid: row.call_sid,
    tenant: row.tenant,
    callId: row.call_id,
    parentCallSid: row.parent_call_sid,
    direction: row.direction,
    from: row.sender,
    to: row.recipient,
    dialledAt: row.dialled_at?.toISOString() ?? null,
    ringingAt: row.ringing_at?.toISOString() ?? null,
    answeredAt: row.answered_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    status: row.status,
    durationSeconds: row.duration_seconds,
    answeredBy: row.answered_by,
    sipResponseCode: row.sip_response_code,
  };
}
