import { runPrepared, send, type Transaction } from './transaction.ts';

/** A statement that writes, given the number of its first parameter; undefined when there is nothing to write. */
export type Write =
  ((firstParameter: number) => { readonly sql: string; readonly parameters: readonly unknown[] }) | undefined;

/**
 * Makes several writes in one round trip to the database. They see the data as it was before, not each other's, so each is
 * for a table of its own; foreign keys are checked when all are done.
 */
export async function writeAll(tx: Transaction, writes: readonly Write[]): Promise<void> {
  const all = together(writes);
  if (all) await runPrepared(tx, all.sql, all.parameters);
}

/** As `writeAll`, without waiting for the answer: see `send`. For what a transaction does last. */
export function sendAll(tx: Transaction, writes: readonly Write[]): void {
  const all = together(writes);
  if (all) send(tx, all.sql, all.parameters);
}

function together(writes: readonly Write[]): ReturnType<NonNullable<Write>> | undefined {
  const parameters: unknown[] = [];
  const parts = writes.flatMap((write, index) => {
    if (!write) return [];
    const part = write(parameters.length + 1);
    parameters.push(...part.parameters);
    return `w${index} as (${part.sql})`;
  });
  return parts.length === 0 ? undefined : { sql: `with ${parts.join(',\n')} select 1`, parameters };
}
