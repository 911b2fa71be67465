import { cleanText, jsonb } from './json.ts';

/** What a row may hold for each SQL type; `null` and `undefined` are SQL NULL. */
interface SqlValues {
  text: string;
  uuid: string;
  boolean: boolean;
  smallint: number;
  integer: number;
  bigint: bigint | number | string;
  'double precision': number;
  /** A string keeps every digit. */
  numeric: string | number;
  timestamptz: Date | string;
  date: string;
  interval: string;
  bytea: Buffer;
  /** Any JSON value; for a JSON null, as against an SQL NULL, there is no way. */
  jsonb: unknown;
}

export type SqlType = keyof SqlValues;
export type ColumnTypes = Readonly<Record<string, SqlType>>;
export type ColumnValues<Types extends ColumnTypes> = {
  readonly [Name in keyof Types]: SqlValues[Types[Name]] | null | undefined;
};

/** Rows turned into one array per column, to be written by one statement whatever their number. */
export interface Columns {
  /** `id, state, detail` */
  readonly names: string;
  /** One array per column, in the order of `names`. */
  readonly parameters: unknown[][];
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
  const parameters: unknown[][] = entries.map(() => []);
  for (const row of rows) {
    const values: Record<string, unknown> = pick(row);
    entries.forEach(([name, type], column) => parameters[column]?.push(toSql(type, values[name])));
  }
  const names = entries.map(([name]) => name).join(', ');
  return {
    names,
    parameters,
    as(alias, firstParameter = 1) {
      const arrays = entries.map(([, type], column) => `$${firstParameter + column}::${arrayType(type)}`);
      return `unnest(${arrays.join(', ')}) as ${alias} (${names})`;
    },
  };
}

function arrayType(type: SqlType): string {
  // The driver would write an array of JSON arrays as a multidimensional one; as texts they stay elements.
  return type === 'jsonb' ? 'text[]::jsonb[]' : `${type}[]`;
}

function toSql(type: SqlType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'jsonb') return jsonb(value);
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return value.toString();
  return value;
}
