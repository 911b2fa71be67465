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
      maxItems: 200,
      concurrency: 2,
      // A statement costs much whatever it holds; a lone caller waits for nothing.
      minIntervalMs: 4,
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

  /** Where a call is, by its row. Undefined when there is none. */
  async place(tenant: string, callSid: string): Promise<Place | undefined> {
    const { rows } = await this.#options.pool.query<{
      call_id: string | null;
      flow: string;
      version: number;
      state: FlowState;
    }>({
      name: 'flow-place',
      text: 'select call_id, flow, version, state from flow_sessions where tenant = $1 and call_sid = $2',
      values: [tenant, callSid],
    });
    const [row] = rows;
    return row && { callId: row.call_id, flow: row.flow, version: row.version, state: row.state };
  }

  /** What a call was told at a step. */
  async documentOf(tenant: string, callSid: string, flow: string, step: number): Promise<string | undefined> {
    const { rows } = await this.#options.pool.query<{ document: string }>({
      name: 'flow-document',
      text: 'select document from flow_steps where tenant = $1 and call_sid = $2 and flow = $3 and step = $4',
      values: [tenant, callSid, flow, step],
    });
    return rows[0]?.document;
  }

  async #flush(steps: readonly Step[]): Promise<StepTaken[]> {
    const first = new Map<string, Step>();
    for (const step of steps) if (!first.has(keyOf(step))) first.set(keyOf(step), step);
    // In one order everywhere, so that two statements with common calls cannot deadlock.
    const unique = [...first.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const events = unique.flatMap((step) => step.events.map((event) => ({ step, ...event })));
    const rows = columns(unique, stepColumns, toRow);
    const outbox = columns(
      events.map((event, nth) => ({ ...event, nth })),
      eventColumns,
      toEventRow,
    );
    const statement = {
      name: 'flow-steps',
      text: takeSteps,
      values: [...rows.parameters, ...outbox.parameters, events.length > 0 ? 'on' : 'off'],
    };
    const { rows: taken } = await this.#query(statement);
    // What is told of a call can wait for a tenth of a second, and is published in larger batches then.
    if (events.some(({ topic }) => topic === topics.messagingCommands.name)) this.#options.onUrgent();
    const isNew = new Set(taken.map(keyOfRow));
    const known = await this.#known(unique.filter((step) => !isNew.has(keyOf(step))));
    return steps.map((step): StepTaken => {
      const key = keyOf(step);
      if (first.get(key) === step && isNew.has(key)) return { outcome: 'taken', document: step.document };
      const earlier = known.get(key) ?? first.get(key);
      if (!earlier) throw new Error('a step was refused as known and then not found');
      return { outcome: earlier.digest.equals(step.digest) ? 'repeated' : 'overtaken', document: earlier.document };
    });
  }

  /** Once more when the connection was a dead one: what was done after all is found done. */
  async #query(statement: pg.QueryConfig): Promise<pg.QueryResult<Taken>> {
    try {
      return await this.#options.pool.query<Taken>(statement);
    } catch (error) {
      if (!isTransient(error)) throw error;
      return this.#options.pool.query<Taken>(statement);
    }
  }

  /** What was answered to steps that were taken before. Seldom, and a statement of its own sees what others committed meanwhile. */
  async #known(steps: readonly Step[]): Promise<Map<string, Earlier>> {
    if (steps.length === 0) return new Map();
    const keys = columns(steps, keyColumns, ({ tenant, callSid, flow, state }) => ({
      tenant,
      call_sid: callSid,
      flow,
      step: state.step,
    }));
    const { rows } = await this.#options.pool.query<Taken & Earlier>({
      name: 'flow-steps-again',
      text: `select s.tenant, s.call_sid, s.flow, s.step, s.document, s.digest from flow_steps s
             join ${keys.as('k')} using (tenant, call_sid, flow, step)`,
      values: keys.parameters,
    });
    const known = new Map(rows.map((row) => [keyOfRow(row), row]));
    if (known.size < steps.length) throw new Error('a step was refused as known and then not found');
    return known;
  }
}

interface Taken {
  readonly tenant: string;
  readonly call_sid: string;
  readonly flow: string;
  readonly step: number;
}

interface Earlier {
  readonly document: string;
  readonly digest: Buffer;
}

const keyColumns = { tenant: 'text', call_sid: 'text', flow: 'text', step: 'integer' } as const;

const stepColumns = {
  ...keyColumns,
  call_id: 'uuid',
  version: 'integer',
  state: 'jsonb',
  queue: 'text',
  conference: 'text',
  node: 'text',
  digest: 'bytea',
  document: 'text',
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
const keyOf = ({ tenant, callSid, flow, state }: Step) => `${tenant} ${callSid} ${flow} ${state.step}`;
const keyOfRow = ({ tenant, call_sid, flow, step }: Taken) => `${tenant} ${call_sid} ${flow} ${step}`;

function toRow(step: Step) {
  const { callSid, tenant, callId, flow, version, state, digest, document, queue, conference, at } = step;
  return {
    tenant,
    call_sid: callSid,
    flow,
    step: state.step,
    call_id: callId,
    version,
    state,
    queue,
    conference,
    node: state.node,
    digest,
    document,
    at,
  };
}

function toEventRow({ step, nth, topic, key, event }: { step: Step; nth: number } & Step['events'][number]) {
  return {
    tenant: step.tenant,
    call_sid: step.callSid,
    flow: step.flow,
    step: step.state.step,
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
 * A step that is there already changes nothing. The session only moves forward; what is told and sent is of new steps only.
 * Without events a commit need not reach the disk before the caller is answered: what a crash of the whole database server may
 * take back, the next request brings along in its URL.
 */
const takeSteps = `
  with given as materialized (select * from ${shape.as('g')}),
  taken as (
    insert into flow_steps (tenant, call_sid, flow, step, node, digest, document, at)
    select tenant, call_sid, flow, step, node, digest, document, at from given
    on conflict (tenant, call_sid, flow, step) do nothing
    returning tenant, call_sid, flow, step
  ),
  moved as (
    insert into flow_sessions as s
      (tenant, call_sid, call_id, flow, version, step, state, queue, conference, begun_at, updated_at)
    select distinct on (tenant, call_sid)
      tenant, call_sid, call_id, flow, version, step, state, queue, conference, at, at
    from given join taken using (tenant, call_sid, flow, step) order by tenant, call_sid, step desc
    on conflict (tenant, call_sid) do update set
      flow = excluded.flow, version = excluded.version, step = excluded.step, state = excluded.state,
      queue = excluded.queue, conference = excluded.conference, updated_at = excluded.updated_at
    where s.flow <> excluded.flow or s.step < excluded.step
  ),
  told as (
    insert into outbox (topic, key, headers, value)
    select topic, key, headers, value from ${eventShape.as('e', shape.parameters.length + 1)}
    join taken using (tenant, call_sid, flow, step) order by nth
  )
  select tenant, call_sid, flow, step,
    (select set_config('synchronous_commit', $${shape.parameters.length + eventShape.parameters.length + 1}, true))
  from taken`;
