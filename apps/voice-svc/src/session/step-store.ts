import { toHeaders, topics } from '@signalbox/contracts';
import { GroupCommit } from '@signalbox/group-commit';
import { columns, isTransient } from '@signalbox/persistence';
import type pg from 'pg';
import type { FlowState } from '../flow/session.state.ts';
import type { Place } from '../twiml/sealed-state.ts';
import type { Step, StepTaken } from './step.ts';

/** The database did not answer in time: the call goes on without it. */
export class StoreTooSlow extends Error {
  override readonly name = 'StoreTooSlow';
}

/** The database has just failed: it is tried again in a while, and not by every caller. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway';
}

/** Where a call is by its row, and what it was told last. */
export interface StoredPlace extends Place {
  readonly document: string;
}

export interface StepStoreOptions {
  readonly pool: Pick<pg.Pool, 'query'>;
  /** Milliseconds a caller waits for a step to be stored. */
  readonly patienceMs: number;
  /** Milliseconds after a failure in which steps are refused at once, but for one that looks whether it is over. */
  readonly pauseMs: number;
  /** Called when something was written that must not wait for the relay to look by itself: a text that is to be sent. */
  readonly onUrgent: () => void;
}

/**
 * Stores steps: each once, whoever asks for it how often, with its events. Steps of many calls go into one statement, so that a
 * step costs the database little and the caller waits for one round trip.
 */
export class StepStore {
  readonly #options: StepStoreOptions;
  readonly #commit: GroupCommit<Step, StepTaken>;
  #awayUntil = 0;

  constructor(options: StepStoreOptions) {
    this.#options = options;
    this.#commit = new GroupCommit((steps) => this.#flush(steps), {
      maxItems: 32,
      concurrency: 2,
      // A statement costs as much as ten steps, whatever it holds; a lone caller waits for nothing, nor does a full batch.
      minIntervalMs: 8,
      maxPending: 5000,
      timeout: { ms: options.patienceMs, error: () => new StoreTooSlow(`not stored within ${options.patienceMs} ms`) },
    });
  }

  /** Takes a step, or tells what was answered when it was taken before. Rejects when the database does not do it in time. */
  async take(step: Step): Promise<StepTaken> {
    const now = performance.now();
    if (now < this.#awayUntil) throw new StoreAway('the database has just failed');
    // Whoever comes first after the pause looks; the others go on without until that is known.
    if (this.#awayUntil > 0) this.#awayUntil = now + this.#options.pauseMs;
    try {
      const taken = await this.#commit.add(step);
      this.#awayUntil = 0;
      return taken;
    } catch (error) {
      this.#awayUntil = performance.now() + this.#options.pauseMs;
      throw error;
    }
  }

  drain(): Promise<void> {
    return this.#commit.drain();
  }

  /** Where a call is, and what it was told last, by its row. Undefined when there is none. */
  async place(tenant: string, callSid: string): Promise<StoredPlace | undefined> {
    const { rows } = await this.#options.pool.query<{
      call_id: string | null;
      flow: string;
      version: number;
      state: FlowState;
      document: string;
    }>({
      name: 'flow-place',
      text: 'select call_id, flow, version, state, document from flow_sessions where tenant = $1 and call_sid = $2',
      values: [tenant, callSid],
    });
    const [row] = rows;
    return (
      row && { callId: row.call_id, flow: row.flow, version: row.version, state: row.state, document: row.document }
    );
  }

  async #flush(steps: readonly Step[]): Promise<StepTaken[]> {
    const first = new Map<string, Step>();
    // Of another step of the same call: a statement can change a row only once.
    const others: Step[] = [];
    for (const step of steps) {
      const before = first.get(callOf(step));
      if (!before) first.set(callOf(step), step);
      else if (before.flow !== step.flow || before.state.step !== step.state.step) others.push(step);
    }
    const known = await this.#takeEach([...first.values()]);
    const later = new Map(others.length > 0 ? zip(others, await this.#flush(others)) : []);
    return steps.map((step): StepTaken => {
      const call = callOf(step);
      const earlier = known.get(call) ?? first.get(call);
      if (!earlier || earlier === step) return { outcome: 'taken', document: step.document };
      return later.get(step) ?? again(step, earlier);
    });
  }

  /** Takes steps of different calls. @returns of those that were not taken, by their call, what was taken before */
  async #takeEach(steps: Step[]): Promise<Map<string, Earlier>> {
    // In one order everywhere, so that two statements with common calls cannot deadlock.
    steps.sort((a, b) => (callOf(a) < callOf(b) ? -1 : 1));
    const events = steps.flatMap((step) => step.events.map((event) => ({ step, ...event })));
    const rows = columns(steps, stepColumns, toRow);
    const outbox = columns(
      events.map((event, nth) => ({ ...event, nth })),
      eventColumns,
      toEventRow,
    );
    const { rows: taken } = await this.#query({
      name: 'flow-steps',
      text: takeSteps,
      values: [...rows.parameters, ...outbox.parameters, events.length > 0 ? 'on' : 'off'],
    });
    // What is told of a call can wait for a tenth of a second, and is published in larger batches then.
    if (events.some(({ topic }) => topic === topics.messagingCommands.name)) this.#options.onUrgent();
    const isTaken = new Set(taken.map(callOfRow));
    return this.#known(steps.filter((step) => !isTaken.has(callOf(step))));
  }

  /** Once more when the connection was a dead one: what was done after all is found done. */
  async #query(statement: pg.QueryConfig): Promise<pg.QueryResult<CallKey>> {
    try {
      return await this.#options.pool.query<CallKey>(statement);
    } catch (error) {
      if (!isTransient(error)) throw error;
      return this.#options.pool.query<CallKey>(statement);
    }
  }

  /** What was taken before. Seldom, and a statement of its own sees what others committed meanwhile. */
  async #known(steps: readonly Step[]): Promise<Map<string, Earlier>> {
    if (steps.length === 0) return new Map();
    const keys = columns(steps, keyColumns, ({ tenant, callSid }) => ({ tenant, call_sid: callSid }));
    const { rows } = await this.#options.pool.query<CallKey & Stored>({
      name: 'flow-steps-again',
      text: `select s.tenant, s.call_sid, s.flow, s.step, s.document, s.digest from flow_sessions s
             join ${keys.as('k')} using (tenant, call_sid)`,
      values: keys.parameters,
    });
    const known = new Map(steps.map((step) => [callOf(step), erased]));
    for (const row of rows) {
      const { flow, digest, document } = row;
      known.set(callOfRow(row), { flow, state: { step: row.step }, digest, document });
    }
    return known;
  }
}

/** The last step of a call, or another one of the same batch. */
interface Earlier {
  readonly flow: string;
  readonly state: { readonly step: number };
  readonly document: string;
  readonly digest: Buffer;
}

/** The row was there and is not any more: the person was erased in that moment. It is as if the call had gone on. */
const erased: Earlier = { flow: '', state: { step: 0 }, document: '', digest: Buffer.alloc(0) };

/**
 * What a step is answered that was not taken. Once its call has gone on nobody hears the answer any more: it is what the request
 * by itself leads to, the same as the first time unless hours or a tenant's server say otherwise by now.
 */
function again({ flow, state, digest, document }: Step, earlier: Earlier): StepTaken {
  if (earlier.flow !== flow || earlier.state.step !== state.step) return { outcome: 'late', document };
  return { outcome: earlier.digest.equals(digest) ? 'repeated' : 'overtaken', document: earlier.document };
}

const zip = <A, B>(one: readonly A[], other: readonly B[]) => one.map((a, index): [A, B] => [a, other[index] as B]);

interface CallKey {
  readonly tenant: string;
  readonly call_sid: string;
}

interface Stored {
  readonly flow: string;
  readonly step: number;
  readonly document: string;
  readonly digest: Buffer;
}

const keyColumns = { tenant: 'text', call_sid: 'text' } as const;

const stepColumns = {
  ...keyColumns,
  call_id: 'uuid',
  flow: 'text',
  version: 'integer',
  step: 'integer',
  state: 'jsonb',
  digest: 'bytea',
  document: 'text',
  queue: 'text',
  conference: 'text',
  at: 'timestamptz',
} as const;

const eventColumns = {
  ...keyColumns,
  nth: 'integer',
  topic: 'text',
  key: 'text',
  headers: 'jsonb',
  value: 'text',
} as const;

/** A tenant may name the SID of another's call: it neither hears what that one is told nor moves it. */
const callOf = ({ tenant, callSid }: Step) => `${tenant} ${callSid}`;
const callOfRow = ({ tenant, call_sid }: CallKey) => `${tenant} ${call_sid}`;

function toRow({ callSid, tenant, callId, flow, version, state, digest, document, queue, conference, at }: Step) {
  return {
    tenant,
    call_sid: callSid,
    call_id: callId,
    flow,
    version,
    step: state.step,
    state,
    digest,
    document,
    queue,
    conference,
    at,
  };
}

function toEventRow({ step, nth, topic, key, event }: { step: Step; nth: number } & Step['events'][number]) {
  return {
    tenant: step.tenant,
    call_sid: step.callSid,
    nth,
    topic,
    key,
    headers: toHeaders(event),
    value: JSON.stringify(event.data),
  };
}

const shape = columns([], stepColumns);
const eventShape = columns([], eventColumns);

/**
 * A call only moves forward, in each of its flows; what is told and sent is of steps that moved one. Without events a commit need
 * not reach the disk before the caller is answered: what a crash of the whole database server may take back, the next request
 * brings along in its URL.
 */
const takeSteps = `
  with taken as (
    insert into flow_sessions as s
      (tenant, call_sid, call_id, flow, version, step, state, digest, document, queue, conference, begun_at, updated_at)
    select tenant, call_sid, call_id, flow, version, step, state, digest, document, queue, conference, at, at
    from ${shape.as('g')}
    on conflict (tenant, call_sid) do update set
      flow = excluded.flow, version = excluded.version, step = excluded.step, state = excluded.state,
      digest = excluded.digest, document = excluded.document,
      queue = excluded.queue, conference = excluded.conference, updated_at = excluded.updated_at,
      earlier = case when s.flow = excluded.flow then s.earlier
                     else coalesce(s.earlier, '{}') || jsonb_build_object(s.flow, s.step) end
    where excluded.step > case when s.flow = excluded.flow then s.step
                               else coalesce((s.earlier ->> excluded.flow)::integer, 0) end
    returning tenant, call_sid
  ),
  told as (
    insert into outbox (topic, key, headers, value)
    select topic, key, headers, value from ${eventShape.as('e', shape.parameters.length + 1)}
    join taken using (tenant, call_sid) order by nth
  )
  select tenant, call_sid,
    (select set_config('synchronous_commit', $${shape.parameters.length + eventShape.parameters.length + 1}, true))
  from taken`;
