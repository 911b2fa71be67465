import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, testDatabase, type TestDatabase } from '@signalbox/testing';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import type { DataSource } from 'typeorm';
import { createDataSource } from './data-source.ts';
import { run, transactor } from './transaction.ts';
import { sendAll } from './write.ts';

/** Between a client and Postgres: reads what is asked, and keeps the answers back while it is told to. */
class Gate {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #held: (() => void)[] = [];
  #isHeld = false;

  constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      const server = new Socket().connect(port, host);
      const messages = new FrontendMessages((sql) => this.asked.push(sql));
      client.on('data', (data) => {
        messages.read(data);
        server.write(data);
      });
      server.on('data', (data) => {
        if (this.#isHeld) this.#held.push(() => client.write(data));
        else client.write(data);
      });
      client.on('close', () => server.destroy()).on('error', () => server.destroy());
      server.on('close', () => client.destroy()).on('error', () => client.destroy());
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  hold(): void {
    this.asked.length = 0;
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The SQL of what a client sends; see "Message Formats" of Postgres' protocol. */
class FrontendMessages {
  #rest = Buffer.alloc(0);
  #isStarted = false;

  constructor(private readonly onSql: (sql: string) => void) {}

  read(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      // The first message alone has no type.
      const typeLength = this.#isStarted ? 1 : 0;
      if (this.#rest.length < typeLength + 4) return;
      const end = typeLength + this.#rest.readInt32BE(typeLength);
      if (this.#rest.length < end) return;
      const type = this.#isStarted ? this.#rest.toString('latin1', 0, 1) : '';
      const [first = '', second = ''] = this.#rest.toString('utf8', typeLength + 4, end).split('\0');
      if (type === 'Q') this.onSql(first);
      if (type === 'P') this.onSql(second);
      this.#isStarted = true;
      this.#rest = this.#rest.subarray(end);
    }
  }
}

describe('a pipelined transaction', () => {
  let database: TestDatabase;
  let gate: Gate;
  let db: DataSource;

  beforeEach(async () => {
    database = await testDatabase();
    const url = new URL(database.url);
    gate = new Gate(url.hostname, Number(url.port));
    url.host = `127.0.0.1:${await gate.listen()}`;
    db = createDataSource({ url: url.href, applicationName: 'spec', poolSize: 1, pipelined: true });
    await db.initialize();
    await db.query('create table items (id int)');
  });
  afterEach(async () => {
    gate.release();
    await db.destroy();
    await gate.close();
    await database.drop();
  });

  it('asks all it asks together before the first answer, and commits with what it sends last', async () => {
    gate.hold();
    const done = transactor(db)(async (tx) => {
      const answers = await Promise.all([
        run<{ a: number }>(tx, 'select 1 as a'),
        run<{ b: number }>(tx, 'select 2 as b'),
      ]);
      gate.hold();
      sendAll(tx, [(first) => ({ sql: `insert into items values ($${first})`, parameters: [3] })]);
      return answers.map(({ rows }) => rows);
    });
    await eventually(() => expect(gate.asked).toEqual(['START TRANSACTION', 'select 1 as a', 'select 2 as b']));
    gate.release();
    await eventually(() => expect(gate.asked).toEqual([expect.stringContaining('insert into items'), 'COMMIT']));
    gate.release();
    expect(await done).toEqual([[{ a: 1 }], [{ b: 2 }]]);
    expect(await db.query('select id from items')).toEqual([{ id: 3 }]);
  });
});
