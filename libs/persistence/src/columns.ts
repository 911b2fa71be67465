import { arrayOf, arrayType, type SqlType, type SqlValues } from './array.ts';

export type ColumnTypes = Readonly<Record<string, SqlType>>;
export type ColumnValues<Types extends ColumnTypes> = {
  readonly [Name in keyof Types]: SqlValues[Types[Name]] | null | undefined;
};

/** Rows turned into one array per column, to be written by one statement whatever their number. */
export interface Columns {
  /** `id, state, detail` */
  readonly names: string;
  /** One array per column, in the order of `names`, as the driver sends it on. */
  readonly parameters: Buffer[];
  /**
   * The rows as a table to select from: `unnest($1::uuid[], $2::text[], …) as m (id, state, …)`.
   * @param firstParameter number of the first column's parameter, when the statement has others before it
   */
  as(alias: string, firstParameter?: number): string;
}

/**
 * Batch writes as single statements:
 *
 * ```ts
 * const c = columns(steps, { id: 'uuid', state: 'text', detail: 'jsonb' }, (step) => ({ id: step.message.id, … }));
 * await tx.query(`insert into message (${c.names}) select * from ${c.as('n')}`, c.parameters);
 * await tx.query(`update message m set state = n.state from ${c.as('n')} where m.id = n.id`, c.parameters);
 * ```
 *
 * Text and JSON are cleaned of what Postgres refuses (see `jsonb`, `cleanText`). Column names go into the SQL as they
 * are: literals of the code, never input.
 */
export function columns<Row, const Types extends ColumnTypes>(
  rows: Iterable<Row>,
  types: Types,
  pick: (row: Row) => ColumnValues<Types>,
): Columns;
export function columns<const Types extends ColumnTypes>(rows: Iterable<ColumnValues<Types>>, types: Types): Columns;
export function columns(
  rows: Iterable<unknown>,
  types: ColumnTypes,
  pick = (row: unknown) => row as Record<string, unknown>,
): Columns {
  const entries = Object.entries(types);
  const values: unknown[][] = entries.map(() => []);
  for (const row of rows) {
    const picked: Record<string, unknown> = pick(row);
    entries.forEach(([name], column) => values[column]?.push(picked[name]));
  }
  const names = entries.map(([name]) => name).join(', ');
  return {
    names,
    parameters: entries.map(([, type], column) => arrayOf(type, values[column] ?? [])),
    as(alias, firstParameter = 1) {
      const arrays = entries.map(([, type], column) => `$${firstParameter + column}::${arrayType(type)}`);
      return `unnest(${arrays.join(', ')}) as ${alias} (${names})`;
    },
  };
}
