import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { columns, createDataSource, run, transactor } from './index.ts';

let database: TestDatabase;
let dataSource: DataSource;

beforeAll(async () => {
  database = await testDatabase();
  dataSource = await createDataSource({ url: database.url, applicationName: 'spec' }).initialize();
  await dataSource.query(`
    create table thing (
      id int primary key, word text, name uuid, flag boolean, small smallint, big bigint, ratio double precision,
      price numeric, at timestamptz, day date, span interval, raw bytea, detail jsonb
    )`);
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const types = {
  id: 'integer',
  word: 'text',
  name: 'uuid',
  flag: 'boolean',
  small: 'smallint',
  big: 'bigint',
  ratio: 'double precision',
  price: 'numeric',
  at: 'timestamptz',
  day: 'date',
  span: 'interval',
  raw: 'bytea',
  detail: 'jsonb',
} as const;

describe('columns', () => {
  it('round-trips every type, NULLs, and what SQL and array syntax could trip over', async () => {
    const nasty = [`'"{}[](),;\\ \t\n`, '{NULL}', 'NULL', 'null', '', '\\"', '$1', '--', '😀 é ß 漢', `{"a":"b"}`];
    const full = {
      id: 1,
      word: 'x',
      name: '0b7b5f8e-6d0c-4a43-8a15-7a1a3a6f9c11',
      flag: false,
      small: -3,
      big: 9_007_199_254_740_993n,
      ratio: 0.1,
      price: '0.00500',
      at: new Date('2026-11-24T18:00:00.123Z'),
      day: '2026-11-24',
      span: '90 seconds',
      raw: Buffer.from([0, 255, 92]),
      detail: { text: nasty, empty: [], none: null, nested: [[1], [2, 3]] },
    };
    const empty = Object.fromEntries(Object.keys(types).map((name) => [name, null])) as unknown as typeof full;
    const rows = [full, { ...empty, id: 2 }, { id: 3 } as typeof full];
    nasty.forEach((word, index) => rows.push({ ...full, id: 10 + index, word, detail: word as never }));
    const c = columns(rows, types);
    await dataSource.query(`insert into thing (${c.names}) select * from ${c.as('n')}`, c.parameters);

    const stored = await dataSource.query<Record<string, unknown>[]>(
      `select id, word, name, flag, small, big, ratio, price, at, day::text, extract(epoch from span)::int as span, raw, detail
       from thing order by id`,
    );
    const { id: _, ...nothing } = empty;
    expect(stored[0]).toEqual({ ...full, big: '9007199254740993', span: 90 });
    expect(stored.slice(1, 3)).toEqual([
      { id: 2, ...nothing },
      { id: 3, ...nothing },
    ]);
    expect(stored.slice(3).map(({ word }) => word)).toEqual(nasty);
    expect(stored.slice(3).map(({ detail }) => detail)).toEqual(nasty);
  });

  it('cleans what Postgres refuses in text and JSON', async () => {
    const c = columns([{ text: 'a\0b\ud800c' }], { id: 'integer', word: 'text', detail: 'jsonb' }, ({ text }) => ({
      id: 100,
      word: text,
      detail: { [text]: text },
    }));
    await dataSource.query(`insert into thing (${c.names}) select * from ${c.as('n')}`, c.parameters);
    expect(await dataSource.query('select word, detail from thing where id = 100')).toEqual([
      { word: 'ab\ufffdc', detail: { 'ab\ufffdc': 'ab\ufffdc' } },
    ]);
  });

  it('writes nothing for no rows', async () => {
    const c = columns([], { id: 'integer', detail: 'jsonb' });
    const { affected } = await transactor(dataSource)((tx) =>
      run(tx, `insert into thing (${c.names}) select * from ${c.as('n')}`, c.parameters),
    );
    expect(affected).toBe(0);
  });

  it('joins an UPDATE that has parameters of its own, and tells which rows it moved', async () => {
    const add = columns([{ id: 201 }, { id: 202 }], { id: 'integer' });
    await dataSource.query(`insert into thing (id, word) select id, 'old' from ${add.as('n')}`, add.parameters);
    const c = columns([201, 202, 299], { id: 'integer', word: 'text' }, (id) => ({ id, word: `new ${id}` }));
    const result = await transactor(dataSource)((tx) =>
      run(
        tx,
        `update thing t set word = n.word from ${c.as('n', 2)} where t.id = n.id and t.word = $1 returning t.id, t.word`,
        ['old', ...c.parameters],
      ),
    );
    expect(result).toEqual({
      rows: [
        { id: 201, word: 'new 201' },
        { id: 202, word: 'new 202' },
      ],
      affected: 2,
    });
  });

  it('takes arrays longer than any buffer it starts with', async () => {
    const rows = Array.from({ length: 3_000 }, (_, index) => ({ id: 1_000 + index, word: `${index} é`.repeat(20) }));
    const c = columns(rows, { id: 'integer', word: 'text' });
    await dataSource.query(`insert into thing (${c.names}) select * from ${c.as('n')}`, c.parameters);
    expect(await dataSource.query('select id, word from thing where id >= 1000 order by id')).toEqual(rows);
  });

  it('refuses what is no integer and no time, instead of storing another', () => {
    expect(() => columns([{ id: 1.5 }], { id: 'integer' })).toThrow('1.5 is no integer');
    expect(() => columns([{ id: 40_000 }], { id: 'smallint' })).toThrow('out of range');
    expect(() => columns([{ at: 'soon' }], { at: 'timestamptz' })).toThrow('not a time');
  });

  it('refuses values of another type at compile time', () => {
    // @ts-expect-error a number is no uuid
    columns([1], { id: 'uuid' }, (id) => ({ id }));
    // @ts-expect-error a column is missing
    columns([1], { id: 'integer', word: 'text' }, (id) => ({ id }));
    expect(columns([1], { id: 'integer' }, (id) => ({ id })).names).toBe('id');
  });
});
