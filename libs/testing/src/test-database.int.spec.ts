import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { testDatabase, type TestDatabase } from './test-database.ts';

describe('testDatabase', () => {
  let migrations = 0;
  const migrate = async (url: string) => {
    migrations += 1;
    await query(url, 'create table letters (letter text)');
  };
  let databases: TestDatabase[] = [];
  beforeAll(async () => {
    databases = await Promise.all([testDatabase({ migrate }), testDatabase({ migrate })]);
  });
  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  it('migrates once, whoever comes first', () => {
    expect(migrations).toBe(1);
  });

  it('keeps test files apart', async () => {
    const [first, second] = databases.map((database) => database.url) as [string, string];
    await query(first, `insert into letters values ('a')`);
    expect(await query(first, 'select letter from letters')).toEqual([{ letter: 'a' }]);
    expect(await query(second, 'select letter from letters')).toEqual([]);
  });

  it('drops a database that is still in use', async () => {
    const database = await testDatabase();
    const client = new pg.Client({ connectionString: database.url });
    const terminated = new Promise<Error>((resolve) => client.on('error', resolve));
    await client.connect();
    await database.drop();
    expect((await terminated).message).toMatch(/terminat/);
    await expect(query(database.url, 'select 1')).rejects.toThrow(/does not exist/);
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
