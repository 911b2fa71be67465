import { type TimeAndId, writeCursor } from '@signalbox/service';
import type { DataSource } from 'typeorm';

/** What is listed. */
export interface Listing {
  /** Has the columns `id` and `created_at`, and an index that ends with `created_at, id`. */
  readonly table: string;
  /** Columns and the value they must have; undefined ones do not matter. */
  readonly where: Readonly<Record<string, unknown>>;
  /** Further conditions, without parameters; undefined ones do not matter. */
  readonly and?: readonly (string | undefined)[];
}

/** What of it is asked for. */
export interface PageQuery {
  /** The end of the page before. */
  readonly cursor?: TimeAndId | undefined;
  readonly limit: number;
}

export interface Page<Row> {
  readonly rows: Row[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** A page of a table, newest first, by keyset: it costs the same however deep it is. */
export async function newestFirst<Row extends { readonly id: string; readonly created_at: Date }>(
  db: Pick<DataSource, 'query'>,
  { table, where, and = [] }: Listing,
  { cursor, limit }: PageQuery,
): Promise<Page<Row>> {
  const parameters: unknown[] = [];
  const parameter = (value: unknown) => `$${parameters.push(value)}`;
  const conditions = [
    ...Object.entries(where).flatMap(([column, value]) =>
      value === undefined ? [] : `${column} = ${parameter(value)}`,
    ),
    ...and.filter((condition) => condition !== undefined),
    ...(cursor ? [`(created_at, id) < (${parameter(cursor.at)}, ${parameter(cursor.id)})`] : []),
  ];
  const found = await db.query<Row[]>(
    `select * from ${table} where ${conditions.join(' and ')}
     order by created_at desc, id desc limit ${parameter(limit + 1)}`,
    parameters,
  );
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const hasMore = last !== undefined && found.length > limit;
  return { rows, nextCursor: hasMore ? writeCursor({ at: last.created_at.toISOString(), id: last.id }) : null };
}
