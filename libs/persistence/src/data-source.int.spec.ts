import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, testDatabase, type TestDatabase } from '@signalbox/testing';
import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import {
  createDataSource,
  isTransient,
  onCommit,
  run,
  runPrepared,
  send,
  transactor,
  type Transaction,
} from './index.ts';

let database: TestDatabase;
let dataSource: DataSource;
const lost: Error[] = [];

beforeAll(async () => {
  database = await testDatabase();
  dataSource = await createDataSource({
    url: database.url,
    applicationName: 'data-source spec',
    statementTimeoutMs: 200,
    onConnectionLost: (error) => lost.push(error),
  }).initialize();
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

async function terminateSessions(): Promise<void> {
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'data-source spec'`,
  );
  await admin.end();
}

describe('a data source', () => {
  it('plans as its service asks for', async () => {
    const generic = await createDataSource({
      url: database.url,
      applicationName: 'data-source spec, generic',
      genericPlans: true,
    }).initialize();
    const mode = async (of: DataSource) => of.query<unknown[]>('show plan_cache_mode');
    expect(await mode(dataSource)).toEqual([{ plan_cache_mode: 'auto' }]);
    expect(await mode(generic)).toEqual([{ plan_cache_mode: 'force_generic_plan' }]);
    await generic.destroy();
  });

  it('names its sessions and bounds their statements and idle transactions', async () => {
    const settings = await dataSource.query<unknown[]>(
      `select current_setting('application_name') as name, current_setting('statement_timeout') as statement,
              current_setting('idle_in_transaction_session_timeout') as idle, current_setting('transaction_isolation') as level`,
    );
    expect(settings).toEqual([{ name: 'data-source spec', statement: '200ms', idle: '1min', level: 'read committed' }]);
    const overrun: unknown = await dataSource.query<unknown>('select pg_sleep(10)').catch((error: unknown) => error);
    expect(overrun).toMatchObject({ code: '57014' });
    expect(isTransient(overrun)).toBe(true);
  });

  it('goes on after Postgres dropped its idle connections', async () => {
    await dataSource.query('select 1');
    await terminateSessions();
    await eventually(() => expect(lost.length).toBeGreaterThan(0));
    expect(await dataSource.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  it.each<[string, (tx: Transaction) => Promise<unknown>]>([
    ['in a statement', (tx) => tx.query('select pg_terminate_backend(pg_backend_pid())')],
    ['before the next statement', (tx) => dropped(tx).then(() => tx.query('select 1'))],
    ['before the next statement of run', (tx) => dropped(tx).then(() => run(tx, 'select 1'))],
    ['before the commit', (tx) => dropped(tx)],
  ])('fails a transaction whose connection is dropped %s as transient, and goes on', async (_, work) => {
    const transact = transactor(dataSource);
    const failure = await transact(work).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(isTransient(failure)).toBe(true);
    expect(await transact(async (tx) => (await run(tx, 'select 3 as three')).rows)).toEqual([{ three: 3 }]);
  });
});

describe('a database that vanishes without a word', () => {
  it('is given up in time, so that the work fails as transient and goes on with a new connection', async () => {
    const { hostname, port } = new URL(database.url);
    const open: Socket[] = [];
    const proxy = createServer((inner) => {
      const outer = connect(Number(port), hostname);
      for (const socket of [inner, outer]) socket.on('error', () => undefined);
      inner.pipe(outer).pipe(inner);
      open.push(inner, outer);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = new URL(database.url);
    url.host = `127.0.0.1:${(proxy.address() as { port: number }).port}`;
    const far = await createDataSource({ url: url.href, applicationName: 'far', statementTimeoutMs: 100 }).initialize();
    try {
      const transact = transactor(far);
      const failure = await transact(async (tx) => {
        await tx.query('select 1');
        for (const socket of open.splice(0)) socket.unpipe().pause();
        await tx.query('select 2');
      }).catch((error: unknown) => error);
      expect(isTransient(failure)).toBe(true);
      expect(await transact(async (tx) => (await run(tx, 'select 3 as three')).rows)).toEqual([{ three: 3 }]);
    } finally {
      await far.destroy();
      for (const socket of open) socket.destroy();
      proxy.close();
    }
  }, 30_000);
});

/** Drops the connection and waits until TypeORM knows: a statement sent before that fails in another way. */
async function dropped(tx: Transaction): Promise<void> {
  await tx.query('select 1');
  await terminateSessions();
  await eventually(() => expect(tx.queryRunner?.isReleased).toBe(true));
}

describe('transactor', () => {
  it('rolls back and rethrows, and calls afterCommit only after a commit', async () => {
    let commits = 0;
    const transact = transactor(dataSource, () => (commits += 1));
    await transact((tx) => tx.query('create table kept (id int)'));
    const bug = new Error('bug');
    const failed = transact(async (tx) => {
      await tx.query('insert into kept values (1)');
      throw bug;
    });
    await expect(failed).rejects.toBe(bug);
    expect(await dataSource.query('select * from kept')).toEqual([]);
    expect(commits).toBe(1);
  });

  it('does what waits for the commit after it, in order, and nothing of it when the commit fails', async () => {
    const transact = transactor(dataSource);
    const done: string[] = [];
    await transact(async (tx) => {
      onCommit(tx, () => done.push('first'));
      onCommit(tx, () => done.push('second'));
      await tx.query('create table parents (id int primary key deferrable initially deferred)');
      expect(done).toEqual([]);
    });
    expect(done).toEqual(['first', 'second']);
    const failed = transact(async (tx) => {
      onCommit(tx, () => done.push('never'));
      await tx.query('insert into parents values (1), (1)');
      done.push('the work itself was fine');
    });
    await expect(failed).rejects.toMatchObject({ code: '23505' });
    expect(done).toEqual(['first', 'second', 'the work itself was fine']);
  });
});

describe.each([true, false])('what is sent without waiting, pipelined: %s', (pipelined) => {
  let source: DataSource;

  beforeAll(async () => {
    source = await createDataSource({
      url: database.url,
      applicationName: 'data-source spec, sent',
      pipelined,
    }).initialize();
    await source.query('create table if not exists sent (id integer primary key)');
  });

  beforeEach(() => source.query('truncate sent'));

  afterAll(() => source.destroy());

  const insert = (tx: Transaction, id: number) => send(tx, 'insert into sent (id) values ($1::integer)', [id]);
  const stored = async () =>
    (await source.query<{ id: number }[]>('select id from sent order by id')).map(({ id }) => id);

  it('is committed, and seen by what comes after it', async () => {
    const seen = await transactor(source)(async (tx) => {
      insert(tx, 1);
      const { rows } = await runPrepared<{ id: number }>(tx, 'select id from sent');
      insert(tx, 2);
      return rows;
    });
    expect(seen).toEqual([{ id: 1 }]);
    expect(await stored()).toEqual([1, 2]);
  });

  it('fails the transaction, as its own error, whatever comes after it', async () => {
    const done: string[] = [];
    const taken = { code: '23505', constraint: 'sent_pkey' };
    const last = transactor(source, () => done.push('commit'))(async (tx) => {
      await run(tx, 'insert into sent (id) values (1)');
      onCommit(tx, () => done.push('due'));
      insert(tx, 1);
    });
    await expect(last).rejects.toMatchObject(taken);
    const before = transactor(source)(async (tx) => {
      await run(tx, 'insert into sent (id) values (1)');
      insert(tx, 1);
      await runPrepared(tx, 'select id from sent where id = 7');
    });
    await expect(before).rejects.toMatchObject(taken);
    expect(done).toEqual([]);
    expect(await stored()).toEqual([]);
    // The connection is as good as before, and what it could not prepare then it prepares now.
    await transactor(source)((tx) => runPrepared(tx, 'select id from sent where id = 7'));
  });

  it('is rolled back with the work that throws after it', async () => {
    const thrown = transactor(source)((tx) => {
      insert(tx, 1);
      return Promise.reject(new Error('changed its mind'));
    });
    await expect(thrown).rejects.toThrow('changed its mind');
    expect(await stored()).toEqual([]);
  });

  it('is nothing that the driver could fail to send', async () => {
    const endless: Record<string, unknown> = {};
    endless['self'] = endless;
    const bad = transactor(source)((tx) => Promise.resolve(send(tx, 'select $1::jsonb', [endless])));
    await expect(bad).rejects.toThrow(TypeError);
  });

  it('fails as transient when the connection is gone', async () => {
    const cut = transactor(source)(async (tx) => {
      const { rows } = await run<{ pid: number }>(tx, 'select pg_backend_pid() as pid');
      await dataSource.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      insert(tx, 1);
    });
    const failure: unknown = await cut.catch((error: unknown) => error);
    expect(isTransient(failure)).toBe(true);
    await transactor(source)((tx) => Promise.resolve(insert(tx, 2)));
    expect(await stored()).toEqual([2]);
  });
});
