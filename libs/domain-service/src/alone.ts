import { run, type Transaction } from '@signalbox/persistence';

/**
 * Whether this transaction is the only one at this work, among all replicas; holds until it ends.
 *
 * @param work unique in the service's database, which is the scope of the lock
 */
export async function isAlone(tx: Transaction, work: string): Promise<boolean> {
  const { rows } = await run<{ alone: boolean }>(
    tx,
    `select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as alone`,
    [work],
  );
  return rows[0]?.alone === true;
}
