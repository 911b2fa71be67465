import { columns, type Write } from '@signalbox/persistence';
import type { MessageHead, Step } from './message.ts';
import { countMoves } from './count.rules.ts';

/**
 * Notes what messages did, in the transaction in which they did it. Only ever appended to, so that no two batches wait for
 * the same row of a rollup; analytics makes rollups of it.
 */
export function countsWrite(steps: readonly Step<MessageHead>[]): Write {
  const deltas = countMoves(steps);
  if (deltas.length === 0) return undefined;
  const rows = columns(deltas, {
    hour: 'timestamptz',
    tenant: 'text',
    sender: 'text',
    digits: 'text',
    code: 'text',
    outcome: 'text',
    count: 'integer',
  });
  return (first) => ({
    sql: `insert into analytics_deltas (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}
