import { createDataSource, migrate, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { migrations } from '../src/migrations/migrations.ts';

export interface EmailDatabase {
  readonly dataSource: DataSource;
  readonly transact: Transact;
  /** Rows of a table, or those that a condition keeps. */
  count(table: string, where?: string, parameters?: readonly unknown[]): Promise<number>;
  close(): Promise<void>;
}

/** A migrated email database of its own for one spec file. */
export async function emailDatabase(): Promise<EmailDatabase> {
  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  const dataSource = createDataSource({ url: database.url, applicationName: 'spec', poolSize: 8 });
  await dataSource.initialize();
  return {
    dataSource,
    transact: transactor(dataSource),
    async count(table, where = 'true', parameters = []) {
      const [row] = await dataSource.query<{ count: number }[]>(
        `select count(*)::int as count from ${table} t where ${where}`,
        [...parameters],
      );
      return row?.count ?? 0;
    },
    async close() {
      await dataSource.destroy();
      await database.drop();
    },
  };
}

/** Where in the database a text stands, in whatever column of whatever table, as `table: rows`. */
export async function whereIs(
  text: string,
  query: <Row extends object>(sql: string, parameters?: unknown[]) => Promise<Row[]>,
): Promise<string[]> {
  const tables = await query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const [row] = await query<{ count: number }>(
      `select count(*)::int as count from ${name} t where strpos(lower(t::text), lower($1)) > 0`,
      [text],
    );
    if (row && row.count > 0) found.push(`${name}: ${row.count}`);
  }
  return found;
}
