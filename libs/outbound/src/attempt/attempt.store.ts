import type { Failure } from '@signalbox/contracts';
import { columns, run, runPrepared, type Transaction, type Write, writeAll } from '@signalbox/persistence';
import { type Item, type ItemTable, namesOf } from '../dispatch/item.ts';
import type { Attempt, AttemptState } from './attempt.ts';

/** A row as `AttemptStore.names` reads it. */
export interface AttemptRow {
  readonly item_id: string;
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

const otherColumns = {
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

/** The whole row in JSON, where times are strings. */
export type AttemptJson = Omit<AttemptRow, 'item_id' | 'started_at' | 'lease_until' | 'finished_at'> &
  Record<'started_at' | 'lease_until', string> & { readonly finished_at: string | null };

/** An item with the attempt that is open on it. */
export interface Attempted<I> {
  readonly item: I;
  readonly attempt: Attempt;
}

/**
 * Said the long way round, so that the planner does not take the index of open attempts for it: every attempt passes
 * through that index, which makes it small for the statistics and full of dead entries in fact.
 */
const isOpen = `a.state not in ('accepted', 'refused', 'deferred', 'not_taken', 'given_up')`;

/** The attempts of a service, in the table of `attemptTable`. */
export class AttemptStore<Row, I extends Item> {
  /** What to select from `attempts a` for `toAttempt`. */
  readonly names: string;
  readonly #key: string;
  readonly #items: ItemTable<Row, I>;

  /** @param key the column of the item's id, e.g. `call_id` */
  constructor(key: string, items: ItemTable<Row, I>) {
    this.#key = key;
    this.#items = items;
    this.names = [`a.${key} as item_id`, ...Object.keys(otherColumns).map((name) => `a.${name}`)].join(', ');
  }

  /** Opens attempts; must be committed before the provider is called. */
  opened(attempts: readonly Attempt[]): Write {
    if (attempts.length === 0) return undefined;
    const rows = this.#rows(attempts);
    return (first) => ({
      sql: `insert into attempts (${rows.names}) select * from ${rows.as('n', first)}`,
      parameters: rows.parameters,
    });
  }

  /** What became of attempts. One that is closed stays as it is: whoever settled it first was right. */
  settled(attempts: readonly Attempt[]): Write {
    if (attempts.length === 0) return undefined;
    const rows = this.#rows(attempts);
    return (first) => ({
      sql: `update attempts a
     set state = n.state, lease_until = n.lease_until, finished_at = n.finished_at, provider_sid = n.provider_sid,
         http_status = n.http_status, error = n.error,
         tenant = case when n.provider_sid is null then a.tenant
           else (select i.tenant from ${this.#items.name} i where i.id = n.${this.#key}) end
     from ${rows.as('n', first)}
     where a.${this.#key} = n.${this.#key} and a.number = n.number and ${isOpen}`,
      parameters: rows.parameters,
    });
  }

  /** Locks items together with their open attempts; one without an open attempt is left out. */
  async lock(tx: Transaction, itemIds: readonly string[]): Promise<Attempted<I>[]> {
    const { rows } = await runPrepared<Row & { open: AttemptJson }>(
      tx,
      // Both are locked, so that an attempt which was settled while this waited is seen to be closed.
      `select ${namesOf(this.#items, 'm')}, to_jsonb(a) as open from ${this.#items.name} m
       join attempts a on a.${this.#key} = m.id
       where m.id = any($1) and ${isOpen} order by m.id for update of m, a`,
      [itemIds],
    );
    return rows.map((row) => this.toAttempted(row));
  }

  /** From an item's columns and `to_jsonb(a) as open`. */
  toAttempted(row: Row & { readonly open: AttemptJson }): Attempted<I> {
    const { open } = row;
    const item = this.#items.toItem(row);
    return {
      item,
      attempt: toAttempt({
        ...open,
        item_id: item.id,
        started_at: new Date(open.started_at),
        lease_until: new Date(open.lease_until),
        finished_at: open.finished_at === null ? null : new Date(open.finished_at),
      }),
    };
  }

  /** The open attempts of items the caller has locked. */
  async openOf(tx: Transaction, itemIds: readonly string[]): Promise<Attempt[]> {
    const { rows } = await run<AttemptRow>(
      tx,
      `select ${this.names} from attempts a
       where a.${this.#key} = any($1) and a.state in ('calling', 'in_doubt') order by a.${this.#key}, a.number`,
      [itemIds],
    );
    return rows.map(toAttempt);
  }

  /**
   * Attempts whose lease ran out without an answer are in doubt from now on, and left alone until `until`: the call may have
   * been made at the last moment.
   */
  async doubtUnanswered(tx: Transaction, now: Date, until: Date, limit: number): Promise<void> {
    await run(
      tx,
      `update attempts a set state = 'in_doubt', lease_until = $2
       from (${this.#leaseOver('calling')}) due where a.${this.#key} = due.id and a.number = due.number`,
      [now, until, limit],
    );
  }

  /** Takes attempts in doubt that are to be looked at, each for one replica at a time: until `until` it is this one's. */
  async takeDoubtful(tx: Transaction, now: Date, until: Date, limit: number): Promise<Attempt[]> {
    const { rows } = await run<AttemptRow>(
      tx,
      `update attempts a set lease_until = $2
       from (${this.#leaseOver('in_doubt')}) due where a.${this.#key} = due.id and a.number = due.number
       returning ${this.names}`,
      [now, until, limit],
    );
    return rows.map(toAttempt);
  }

  /** Looks again at these attempts after `until`. */
  async extendLeases(tx: Transaction, attempts: readonly Attempt[], until: Date): Promise<void> {
    await writeAll(tx, [this.settled(attempts.map((attempt) => ({ ...attempt, leaseUntil: until.toISOString() })))]);
  }

  async countDoubtful(tx: Transaction): Promise<number> {
    const { rows } = await run<{ count: number }>(
      tx,
      `select count(*)::int as count from attempts where state = 'in_doubt'`,
    );
    return rows[0]?.count ?? 0;
  }

  /** Whether an attempt of this item was given up before. */
  async wasGivenUp(tx: Transaction, itemId: string): Promise<boolean> {
    const { rows } = await run(tx, `select 1 from attempts where ${this.#key} = $1 and state = 'given_up' limit 1`, [
      itemId,
    ]);
    return rows.length > 0;
  }

  /**
   * Which of the provider's belong to an attempt or an item of the tenant already; for a table that has `provider_sid`. An
   * attempt without a tenant is from before attempts had one.
   */
  async claimedSids(tx: Transaction, tenant: string, sids: readonly string[]): Promise<Set<string>> {
    if (sids.length === 0) return new Set();
    const { rows } = await run<{ sid: string }>(
      tx,
      `select provider_sid as sid from attempts where provider_sid = any($1) and (tenant = $2 or tenant is null)
       union select provider_sid from ${this.#items.name} where provider_sid = any($1) and tenant = $2`,
      [sids, tenant],
    );
    return new Set(rows.map(({ sid }) => sid));
  }

  /**
   * Whether another call to the same recipient may be under way, which could be mistaken for this attempt's; for a table that
   * has `recipient`.
   */
  async hasLiveSibling(
    tx: Transaction,
    attempt: Attempt,
    { tenant, to }: { readonly tenant: string; readonly to: string },
    now: Date,
  ): Promise<boolean> {
    const { rows } = await run(
      tx,
      `select 1 from attempts a join ${this.#items.name} m on m.id = a.${this.#key}
       where a.state = 'calling' and a.lease_until > $1 and m.tenant = $2 and m.recipient = $3 and m.id <> $4 limit 1`,
      [now, tenant, to, attempt.itemId],
    );
    return rows.length > 0;
  }

  /**
   * Others to the same recipient with an open attempt, which the provider may or may not have taken; for a table that has
   * `recipient` and `provider_sid`.
   */
  async rivalsOf(
    tx: Transaction,
    { id, tenant, to }: { readonly id: string; readonly tenant: string; readonly to: string },
  ): Promise<Attempted<I>[]> {
    const { rows } = await run<Row & { open: AttemptJson }>(
      tx,
      `select ${namesOf(this.#items, 'm')}, to_jsonb(a) as open
       from attempts a join ${this.#items.name} m on m.id = a.${this.#key}
       where a.state in ('calling', 'in_doubt') and m.tenant = $1 and m.recipient = $2 and m.id <> $3
         and m.provider_sid is null`,
      [tenant, to, id],
    );
    return rows.map((row) => this.toAttempted(row));
  }

  #leaseOver(state: AttemptState): string {
    return `select ${this.#key} as id, number from attempts
       where state = '${state}' and lease_until <= $1 order by lease_until limit $3 for update skip locked`;
  }

  #rows(attempts: readonly Attempt[]) {
    return columns(attempts, { [this.#key]: 'uuid', ...otherColumns } as const, (attempt) => ({
      [this.#key]: attempt.itemId,
      number: attempt.number,
      state: attempt.state,
      started_at: attempt.startedAt,
      lease_until: attempt.leaseUntil,
      worker: attempt.worker,
      finished_at: attempt.finishedAt,
      provider_sid: attempt.providerSid,
      http_status: attempt.httpStatus,
      error: attempt.error,
    }));
  }
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    itemId: row.item_id,
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
