import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { sessionConfig } from './data-source.ts';

export interface OutboxRow {
  /** A bigint as text, as the driver has it. */
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly value: string;
}

/** The batch that was being published last, and the token that Kafka has if it was. */
export interface Intent {
  readonly relayId: string;
  readonly token: string | null;
  readonly batch: string[];
}

const relayLock = '5001764000000002';

/**
 * The Postgres session whose advisory lock makes its holder the leader. All that a leader writes goes through this
 * session, so whoever has lost the lock, knowingly or not, can write nothing.
 */
export class RelaySession {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(dataSource: DataSource): Promise<RelaySession> {
    const client = new pg.Client({
      ...sessionConfig(dataSource, 'outbox relay'),
      statement_timeout: 10_000,
      query_timeout: 15_000,
    });
    // Without a listener a lost connection ends the process; with it the next statement fails, which is soon enough.
    client.on('error', () => undefined);
    await client.connect();
    // A leader cut off by the network must not keep the lock for the two hours of the kernel's default.
    await client.query('set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3');
    return new RelaySession(client);
  }

  /** Tries only: a session waiting inside `pg_advisory_lock` would hold back vacuum for as long as it waits. */
  async tryLock(): Promise<boolean> {
    const { rows } = await this.#client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      relayLock,
    ]);
    return rows[0]?.locked === true;
  }

  async intent(): Promise<Intent> {
    const { rows } = await this.#client.query<Intent>('select id as "relayId", token, batch from outbox_relay');
    if (!rows[0]) throw new Error('outbox_relay has no row: its migration inserts it, and nothing deletes it');
    return rows[0];
  }

  /**
   * One step, one statement: deletes the rows that were published (`done`), picks the next in id order, and notes them as
   * the intent under `token`. Deletes by exact id, because a row can become visible after ones with higher ids.
   */
  async advance(done: readonly string[], token: string, limit: { rows: number; bytes: number }): Promise<OutboxRow[]> {
    const { rows } = await this.#client.query<OutboxRow>({
      name: 'outbox-advance',
      text: `
        with done as (
          delete from outbox where id = any($1::bigint[])
        ), head as (
          select id, topic, key, headers, value from outbox where id <> all($1::bigint[]) order by id limit $2
        ), sized as (
          select *, sum(octet_length(value) + octet_length(headers::text)) over (order by id) as bytes,
                    row_number() over (order by id) as position
          from head
        ), batch as (
          select id, topic, key, headers, value from sized where bytes <= $3 or position = 1
        ), intent as (
          update outbox_relay set token = $4, batch = array(select id from batch order by id)
          where batch <> '{}' or exists (select from batch)
        )
        select * from batch order by id`,
      values: [done, limit.rows, limit.bytes, token],
    });
    return rows;
  }

  /** Ends the session and with it the lock. */
  async close(): Promise<void> {
    const timeout = new AbortController();
    // On a cut connection there is no goodbye to wait for; the server notices by its keepalives.
    await Promise.race([this.#client.end(), sleep(2_000, undefined, { signal: timeout.signal, ref: false })]);
    timeout.abort();
  }
}
