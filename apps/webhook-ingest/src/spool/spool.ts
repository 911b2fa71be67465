import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** A record as it will be sent to Kafka. */
export interface SpooledRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface StoredRecord extends SpooledRecord {
  /** Rises with every record, for the life of the file. */
  readonly id: number;
}

/** The spool holds as much as it may. */
export class SpoolFull extends Error {
  override readonly name = 'SpoolFull';

  constructor(maxBytes: number) {
    super(`the spool holds its ${maxBytes} bytes`);
  }
}

/**
 * A queue of records on disk, in one SQLite file that one process owns. What `append` has returned from survives
 * `kill -9` and power loss: every commit is synced.
 */
export class Spool {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  #records: number;
  #bytes: number;

  /** @throws when the file cannot be opened, is damaged, or belongs to another process */
  constructor(
    file: string,
    private readonly maxBytes: number,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.#database = new DatabaseSync(file);
    this.#database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS record (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        headers TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        spooled_at INTEGER NOT NULL
      ) STRICT;
    `);
    const insert = 'INSERT INTO record (topic, key, value, headers, bytes, spooled_at) VALUES (?, ?, ?, ?, ?, ?)';
    this.#insert = this.#database.prepare(insert);
    this.#oldest = this.#database.prepare('SELECT id, topic, key, value, headers FROM record ORDER BY id LIMIT ?');
    this.#delete = this.#database.prepare('DELETE FROM record WHERE id <= ? RETURNING bytes');
    const held = this.#database.prepare('SELECT count(*) AS records, total(bytes) AS bytes FROM record').get();
    this.#records = Number(held?.['records']);
    this.#bytes = Number(held?.['bytes']);
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.maxBytes;
  }

  /**
   * Stores all or none, in their order.
   * @throws SpoolFull; SQLite's error when the disk is full or broken
   */
  append(records: readonly SpooledRecord[]): void {
    if (this.full) throw new SpoolFull(this.maxBytes);
    const now = Date.now();
    let bytes = 0;
    this.#transaction(() => {
      for (const { topic, key, value, headers } of records) {
        const size = Buffer.byteLength(value);
        this.#insert.run(topic, key, value, JSON.stringify(headers), size, now);
        bytes += size;
      }
    });
    this.#records += records.length;
    this.#bytes += bytes;
  }

  /** The oldest, without removing them. */
  peek(limit: number): StoredRecord[] {
    return this.#oldest.all(limit).map((row) => ({
      id: Number(row['id']),
      topic: String(row['topic']),
      key: String(row['key']),
      value: String(row['value']),
      headers: JSON.parse(String(row['headers'])) as Record<string, string>,
    }));
  }

  /** Milliseconds since the oldest was stored; 0 when empty. */
  oldestAgeMs(): number {
    const oldest = this.#database.prepare('SELECT spooled_at FROM record ORDER BY id LIMIT 1').get();
    return oldest ? Math.max(0, Date.now() - Number(oldest['spooled_at'])) : 0;
  }

  /** Removes everything up to this id. */
  remove(upTo: number): void {
    for (const { bytes } of this.#delete.all(upTo)) {
      this.#records -= 1;
      this.#bytes -= Number(bytes);
    }
  }

  close(): void {
    this.#database.close();
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
