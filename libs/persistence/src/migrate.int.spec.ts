import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createDataSource, migrate, outboxMigration, type MigrationClass } from './index.ts';

// Neither survives being run twice, and the first takes long enough for the others to arrive meanwhile.
class CreateLetters1700000000001 implements MigrationInterface {
  async up(queries: QueryRunner): Promise<void> {
    await queries.query('create table letters (letter text not null)');
    await queries.query('select pg_sleep(0.5)');
  }
  async down(): Promise<void> {}
}
class IndexLetters1700000000002 implements MigrationInterface {
  // As `create index concurrently` demands.
  transaction = false;
  async up(queries: QueryRunner): Promise<void> {
    await queries.query('create index concurrently letters_letter on letters (letter)');
  }
  async down(): Promise<void> {}
}
class BreakLetters1700000000003 implements MigrationInterface {
  async up(queries: QueryRunner): Promise<void> {
    await queries.query(`insert into letters values ('half')`);
    await queries.query(`insert into letters values (null)`);
  }
  async down(): Promise<void> {}
}

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.drop());

const source = (migrations: MigrationClass[]) =>
  createDataSource({ url: database.url, applicationName: 'spec', migrations, statementTimeoutMs: 100 });

describe('migrate', () => {
  it('applies each migration once when three replicas race, and all of them find the schema ready', async () => {
    const racers = [1, 2, 3].map(async () => {
      const applied = await migrate(source([IndexLetters1700000000002, CreateLetters1700000000001]));
      return { applied, letters: await query('select * from letters') };
    });
    const results = await Promise.all(racers);
    expect(results.map(({ letters }) => letters)).toEqual([[], [], []]);
    expect(results.flatMap(({ applied }) => applied)).toEqual([
      'CreateLetters1700000000001',
      'IndexLetters1700000000002',
    ]);
    expect(await query('select name from migration order by id')).toEqual([
      { name: 'CreateLetters1700000000001' },
      { name: 'IndexLetters1700000000002' },
    ]);
  });

  it('has nothing to do the second time', async () => {
    expect(await migrate(source([outboxMigration]))).toEqual(['CreateOutbox1764000000000']);
    expect(await migrate(source([outboxMigration]))).toEqual([]);
  });

  it('rolls a failing migration back, keeps those before it, and lets go of the lock', async () => {
    await expect(migrate(source([CreateLetters1700000000001, BreakLetters1700000000003]))).rejects.toMatchObject({
      code: '23502',
    });
    expect(await query('select * from letters')).toEqual([]);
    expect(await migrate(source([CreateLetters1700000000001, IndexLetters1700000000002]))).toEqual([
      'IndexLetters1700000000002',
    ]);
  });
});

async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<object>(sql)).rows;
  } finally {
    await client.end();
  }
}
