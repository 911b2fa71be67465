import pg from 'pg';
import type { DataSource } from 'typeorm';
import { sessionConfig } from './data-source.ts';

/**
 * Asks whether the database answers, on a connection of its own: that all of the pool is at work is no reason to take a
 * process out of rotation. The connection is kept; one that fails is replaced at the next question.
 */
export class DatabaseProbe {
  readonly #config: pg.ClientConfig;
  #client: pg.Client | undefined;
  #asking: Promise<void> | undefined;

  /** @param timeoutMs for the connection, and for an answer */
  constructor(dataSource: DataSource, timeoutMs = 1_000) {
    this.#config = {
      ...sessionConfig(dataSource, 'readiness'),
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    };
  }

  /** Rejects with the reason when there is no answer. Who asks while a question is open shares its answer. */
  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async close(): Promise<void> {
    await this.#client?.end();
    this.#client = undefined;
  }

  async #ask(): Promise<void> {
    try {
      this.#client ??= await this.#connect();
      await this.#client.query('select 1');
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(this.#config);
    // An idle connection that breaks is told here and nowhere else.
    client.on('error', () => {
      if (this.#client === client) this.#drop();
    });
    await client.connect();
    return client;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    // It is broken already: how its end goes tells nothing.
    client?.end().catch(() => undefined);
  }
}
