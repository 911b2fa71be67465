import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';

/** An open transaction: entities, repositories and SQL through it commit or roll back together. */
export type Transaction = EntityManager;

export type Transact = <R>(work: (tx: Transaction) => Promise<R>) => Promise<R>;

/**
 * Runs work in a READ COMMITTED transaction (Postgres's default level), on one connection of the pool.
 * Rolls back and rethrows what `work` throws. An error from the commit itself can mean committed: callers repeat
 * the work, so it has to be idempotent.
 *
 * @param afterCommit called after each commit, e.g. `() => relay.nudge()`; must not throw
 */
export function transactor(dataSource: DataSource, afterCommit?: () => void): Transact {
  return async (work) => {
    const due: (() => void)[] = [];
    const result = await dataSource.transaction((tx) => {
      whenCommitted.set(tx, due);
      return work(tx);
    });
    for (const act of due) act();
    afterCommit?.();
    return result;
  };
}

const whenCommitted = new WeakMap<Transaction, (() => void)[]>();

/** Has `act` done once the transaction is committed, and never when it is not: for metrics of what it did. `act` must not throw. */
export function onCommit(tx: Transaction, act: () => void): void {
  const due = whenCommitted.get(tx);
  if (!due) throw new TypeError('needs the transaction of a transactor');
  due.push(act);
}

/**
 * One SQL statement. Unlike `EntityManager.query`, whose result has another shape for UPDATE and DELETE, it always
 * gives the returned rows and the number of rows the statement touched.
 */
export async function run<Row>(
  tx: Transaction,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<{ rows: Row[]; affected: number }> {
  if (!tx.queryRunner) throw new TypeError('needs the entity manager of a transaction');
  const result = await tx.queryRunner.query(sql, [...parameters], true);
  return { rows: result.records as Row[], affected: result.affected ?? 0 };
}

const names = new Map<string, string>();

/**
 * As `run`, but planned once per connection: for the few statements that run hundreds of times a second, whose planning
 * costs as much as their work. The text must come from a small set, and name the columns it returns: a prepared
 * `select *` fails once a migration has added a column.
 */
export async function runPrepared<Row>(
  tx: Transaction,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<{ rows: Row[]; affected: number }> {
  if (!tx.queryRunner) throw new TypeError('needs the entity manager of a transaction');
  const connection = (await tx.queryRunner.connect()) as pg.ClientBase;
  const result = await connection.query({ name: nameOf(sql), text: sql, values: [...parameters] });
  return { rows: result.rows as Row[], affected: result.rowCount ?? 0 };
}

/** Runs one statement that is a transaction of its own. */
export type RunAlone = <Row>(
  sql: string,
  parameters?: readonly unknown[],
) => Promise<{ rows: Row[]; affected: number }>;

/**
 * For a statement that needs no other in its transaction: without the round trips of BEGIN and COMMIT, and planned once per
 * connection like those of `runPrepared`. What it locks is free again when it is done.
 */
export function runAlone(dataSource: DataSource): RunAlone {
  return async <Row>(sql: string, parameters: readonly unknown[] = []) => {
    const runner = dataSource.createQueryRunner();
    try {
      const connection = (await runner.connect()) as pg.ClientBase;
      const result = await connection.query({ name: nameOf(sql), text: sql, values: [...parameters] });
      return { rows: result.rows as Row[], affected: result.rowCount ?? 0 };
    } finally {
      await runner.release();
    }
  };
}

function nameOf(sql: string): string {
  const name = names.get(sql) ?? createHash('sha1').update(sql).digest('hex');
  names.set(sql, name);
  return name;
}
