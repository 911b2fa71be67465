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
    const result = await dataSource.transaction(work);
    afterCommit?.();
    return result;
  };
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
