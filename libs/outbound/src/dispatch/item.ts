import type { Lane } from '@signalbox/contracts';

/** Something that waits in line and is handed to a provider: a message, a call, an email. */
export interface Item {
  readonly id: string;
  readonly tenant: string;
  readonly lane: Lane;
  /** Its waiting line, as `queueOf` names it. */
  readonly queue: string;
}

/**
 * The service's table of items. It has `id uuid`, `tenant text`, `lane smallint` (see `laneNumber`), `queue text` and
 * `due_at timestamptz`, null while there is nothing to do, and the index of `lineIndex`.
 */
export interface ItemTable<Row, I extends Item> {
  /** A literal of the code, as all names here: it goes into the SQL as it is. */
  readonly name: string;
  /** What to read of a row; all columns that `toItem` needs. */
  readonly columns: readonly string[];
  toItem(row: Row): I;
}

export function namesOf(table: Pick<ItemTable<never, Item>, 'columns'>, alias: string): string {
  return table.columns.map((name) => `${alias}.${name}`).join(', ');
}
