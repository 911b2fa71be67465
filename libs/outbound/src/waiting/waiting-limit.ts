import type { Lane } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Logger } from '@signalbox/telemetry';

export interface WaitingLimitOptions {
  /** Of items, with the columns of a waiting line: a literal of the code. */
  readonly table: string;
  /** What a tenant's `maxWaiting` says; undefined where it says nothing. */
  readonly mostOf: (tenant: string) => number | undefined;
  /** For those. */
  readonly usual: number;
  readonly log: Pick<Logger, 'warn'>;
}

/** What may wait for a share of it beside the critical lane, so that a campaign leaves codes their place. */
const shareOfOthers = 0.9;

/** So long a count that failed is put off: it would only fail again, and hold up the pool. */
const failedForMs = 5_000;

/** Items of a tenant that wait, as they were counted last, with what was taken in since. */
interface Waiting {
  count: number;
  /** When it is to be counted again, on the clock of `performance.now()`. */
  countAt: number;
}

interface Counted {
  readonly tenant: string;
  readonly count: number;
}

/**
 * Keeps one tenant from filling the database for all: no more of its items may wait to be sent than so many. They are
 * counted once a second by each replica, less often when there is much to count; so the limit is passed by what is taken in
 * between.
 */
export class WaitingLimit {
  readonly #options: WaitingLimitOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: WaitingLimitOptions) {
    this.#options = options;
  }

  /** For each of these, in their order, whether there is room. Waits for a count only of tenants never counted before. */
  async roomFor(
    tx: Transaction,
    asked: readonly { readonly tenant: string; readonly lane: Lane }[],
  ): Promise<boolean[]> {
    const tenants = [...new Set(asked.map(({ tenant }) => tenant))];
    const unknown = tenants.filter((tenant) => !this.#waiting.has(tenant));
    if (unknown.length > 0)
      await this.#count(unknown, async (sql, values) => (await run<Counted>(tx, sql, values)).rows);
    this.#recount(tx, tenants);
    const taken = new Map<string, number>();
    return asked.map(({ tenant, lane }) => {
      const most = this.#most(tenant) * (lane === 'critical' ? 1 : shareOfOthers);
      const count = (this.#waiting.get(tenant)?.count ?? 0) + (taken.get(tenant) ?? 0);
      if (count >= most) return false;
      taken.set(tenant, (taken.get(tenant) ?? 0) + 1);
      return true;
    });
  }

  /** To be told of each item that was taken in and waits, once that is committed. */
  added(tenant: string): void {
    const waiting = this.#waiting.get(tenant);
    if (waiting) waiting.count++;
  }

  #most(tenant: string): number {
    return this.#options.mostOf(tenant) ?? this.#options.usual;
  }

  /** Beside the transaction, which a count of a million would hold up. */
  #recount({ dataSource }: Transaction, tenants: readonly string[]): void {
    const due = tenants.filter((tenant) => (this.#waiting.get(tenant)?.countAt ?? Infinity) <= performance.now());
    if (due.length === 0) return;
    for (const tenant of due) this.#countAgain(tenant, Infinity);
    this.#count(due, (sql, values) => dataSource.query<Counted[]>(sql, [...values])).catch((error: unknown) => {
      this.#options.log.warn(
        { err: error, tenants: due.slice(0, 10), table: this.#options.table },
        'what waits could not be counted: the last count holds for now',
      );
      for (const tenant of due) this.#countAgain(tenant, performance.now() + failedForMs);
    });
  }

  #countAgain(tenant: string, countAt: number): void {
    const waiting = this.#waiting.get(tenant);
    if (waiting) waiting.countAt = countAt;
  }

  async #count(
    tenants: readonly string[],
    query: (sql: string, values: readonly unknown[]) => Promise<Counted[]>,
  ): Promise<void> {
    const startedAt = performance.now();
    const wanted = columns(tenants, { tenant: 'text', most: 'integer' }, (tenant) => ({
      tenant,
      most: this.#most(tenant),
    }));
    const rows = await query(
      // Lane by lane and in the order of the index of waiting lines, so that it is that index which is read, and it alone.
      `select n.tenant, (
         select coalesce(sum(w.count), 0)::int from generate_series(0, 2) as lane (number) cross join lateral (
           select count(*) as count from (
             select from ${this.#options.table} m
             where m.lane = lane.number and m.tenant = n.tenant and m.due_at is not null
             order by m.queue, m.due_at limit n.most) one) w) as count
       from ${wanted.as('n')}`,
      wanted.parameters,
    );
    const endedAt = performance.now();
    // No more than a twentieth of the time goes into counting.
    const countAt = endedAt + Math.max(1_000, 20 * (endedAt - startedAt));
    for (const { tenant, count } of rows) this.#waiting.set(tenant, { count, countAt });
  }
}
