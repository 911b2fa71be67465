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
    const course: Course = { due: [], sent: [] };
    const result = await dataSource
      .transaction(async (tx) => {
        course.connection = (await tx.queryRunner?.connect()) as pg.ClientBase;
        courses.set(tx, course);
        return work(tx);
      })
      .catch((error: unknown) => {
        // What comes after a failed statement only says that one has failed.
        throw course.failure ?? error;
      });
    // The server has made a rollback of the commit if one of them failed.
    await Promise.all(course.sent);
    for (const act of course.due) act();
    afterCommit?.();
    return result;
  };
}

/** What a transaction has under way. */
interface Course {
  readonly due: (() => void)[];
  readonly sent: Promise<unknown>[];
  failure?: Error;
  /** At hand, so that statements leave in the order they are asked for. */
  connection?: pg.ClientBase;
}

const courses = new WeakMap<Transaction, Course>();

function courseOf(tx: Transaction): Course {
  const course = courses.get(tx);
  if (!course) throw new TypeError('needs the transaction of a transactor');
  return course;
}

/** Has `act` done once the transaction is committed, and never when it is not: for metrics of what it did. `act` must not throw. */
export function onCommit(tx: Transaction, act: () => void): void {
  courseOf(tx).due.push(act);
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
  const connection = courses.get(tx)?.connection ?? ((await tx.queryRunner.connect()) as pg.ClientBase);
  const result = await connection.query({ name: nameOf(sql), text: sql, values: [...parameters] });
  return { rows: result.rows as Row[], affected: result.rowCount ?? 0 };
}

/**
 * As `runPrepared`, without waiting for the answer: on a pipelined data source what follows, the commit among it, goes out right
 * behind. If the statement fails, so does the transaction.
 *
 * @throws TypeError for parameters that the driver might fail to send: then the commit would go out without the statement
 */
export function send(tx: Transaction, sql: string, parameters: readonly unknown[]): void {
  if (!parameters.every(isPlain))
    throw new TypeError('what is not waited for needs parameters that are plain or binary');
  const course = courseOf(tx);
  const sent = runPrepared(tx, sql, parameters);
  course.sent.push(sent);
  sent.catch((error: Error) => (course.failure ??= error));
}

function isPlain(parameter: unknown): boolean {
  return parameter === null || typeof parameter !== 'object' || Buffer.isBuffer(parameter);
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
