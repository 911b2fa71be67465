import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDataSource } from '@signalbox/persistence';
import { cursorParameter } from '@signalbox/service';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { newestFirst } from './keyset.ts';

interface Thing {
  readonly id: string;
  readonly created_at: Date;
}

describe('a list, newest first', () => {
  let database: TestDatabase;
  let db: DataSource;

  beforeAll(async () => {
    database = await testDatabase();
    db = await createDataSource({ url: database.url, applicationName: 'spec' }).initialize();
    await db.query('create table things (id uuid, tenant text, color text, created_at timestamptz(3))');
    // Seven of them, three made in one millisecond, and one of somebody else.
    await db.query(
      `insert into things select gen_random_uuid(), 'demo', case n % 2 when 0 then 'red' else 'blue' end,
         timestamptz '2026-11-27T12:00:00Z' + least(n, 4) * interval '1 millisecond' from generate_series(0, 6) n
       union all select gen_random_uuid(), 'other', 'red', now()`,
    );
  });
  afterAll(async () => {
    await db?.destroy();
    await database?.drop();
  });

  async function pages(limit: number, where: object, and: (string | undefined)[] = []): Promise<Thing[][]> {
    const found: Thing[][] = [];
    const listing = { table: 'things', where: { tenant: 'demo', ...where }, and };
    let page = await newestFirst<Thing>(db, listing, { limit });
    found.push(page.rows);
    while (page.nextCursor !== null) {
      page = await newestFirst<Thing>(db, listing, { limit, cursor: cursorParameter.parse(page.nextCursor) });
      found.push(page.rows);
    }
    return found;
  }

  it('has each once, page by page, also where many have one time', async () => {
    const all = await pages(2, {});
    expect(all.map((page) => page.length)).toEqual([2, 2, 2, 1]);
    const times = all.flat().map(({ created_at }) => created_at.getTime());
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(new Set(all.flat().map(({ id }) => id)).size).toBe(7);
  });

  it('ends with a page that is just full', async () => {
    expect((await pages(7, {})).map((page) => page.length)).toEqual([7]);
  });

  it('has what meets every condition that is given', async () => {
    expect((await pages(10, { color: 'red' })).flat()).toHaveLength(4);
    expect((await pages(10, { color: undefined })).flat()).toHaveLength(7);
    expect((await pages(10, { color: 'red' }, ["color = 'blue'", undefined])).flat()).toEqual([]);
  });
});
