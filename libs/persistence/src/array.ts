import { cleanText, jsonb } from './json.ts';

/** What a row may hold for each SQL type; `null` and `undefined` are SQL NULL. */
export interface SqlValues {
  text: string;
  uuid: string;
  boolean: boolean;
  smallint: number;
  integer: number;
  bigint: bigint | number | string;
  'double precision': number;
  /** A string keeps every digit. */
  numeric: string | number;
  /** To the millisecond; a string is RFC 3339. */
  timestamptz: Date | string;
  date: string;
  interval: string;
  bytea: Buffer;
  /** Any JSON value; for a JSON null, as against an SQL NULL, there is no way. */
  jsonb: unknown;
}

export type SqlType = keyof SqlValues;

/** How an element is written. `oid`: of its type in pg_type, which Postgres compares with the parameter's. */
interface Element {
  readonly oid: number;
  readonly write: (value: never, bytes: Bytes) => void;
}

const text: Element = { oid: 25, write: (value: string | number, bytes) => bytes.text(cleanText(String(value))) };

const elements: Readonly<Record<SqlType, Element>> = {
  text,
  boolean: { oid: 16, write: (value: boolean, bytes) => bytes.int(value ? 1 : 0, 1) },
  smallint: { oid: 21, write: (value: number, bytes) => bytes.int(value, 2) },
  integer: { oid: 23, write: (value: number, bytes) => bytes.int(value, 4) },
  bigint: { oid: 20, write: (value: bigint | number | string, bytes) => bytes.bigint(BigInt(value)) },
  'double precision': { oid: 701, write: (value: number, bytes) => bytes.double(value) },
  timestamptz: { oid: 1184, write: (value: Date | string, bytes) => bytes.time(value) },
  bytea: { oid: 17, write: (value: Buffer, bytes) => bytes.raw(value) },
  jsonb: { oid: 3802, write: (value: unknown, bytes) => bytes.text(jsonb(value), 1) },
  // Postgres reads these from text: it is quicker with a UUID's digits, and the others are rare.
  uuid: text,
  numeric: text,
  date: text,
  interval: text,
};

/** `text[]`; what a parameter that is made by `arrayOf` has to be cast to. */
export function arrayType(type: SqlType): string {
  const { oid } = elements[type];
  return oid === text.oid && type !== 'text' ? `text[]::${type}[]` : `${type}[]`;
}

/**
 * A one-dimensional array as a binary parameter: neither the driver nor Postgres has to escape and to parse it, which for
 * JSON costs more than storing it. Source: PostgreSQL, `array_recv` and the `…recv` functions of the types.
 */
export function arrayOf(type: SqlType, values: readonly unknown[]): Buffer {
  const { oid, write } = elements[type];
  const bytes = scratch;
  bytes.clear();
  bytes.header(oid, values);
  for (const value of values) {
    if (value === null || value === undefined) bytes.null();
    else write(value as never, bytes);
  }
  return bytes.copy();
}

/** Postgres counts from 2000 on. */
const epochMs = Date.UTC(2000);

/** Elements, each behind its length. */
class Bytes {
  #buffer = Buffer.allocUnsafe(65_536);
  #at = 0;

  clear(): void {
    this.#at = 0;
  }

  copy(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#at));
  }

  header(oid: number, values: readonly unknown[]): void {
    this.#reserve(20);
    this.#int32(values.length === 0 ? 0 : 1);
    // Whether there are NULLs; Postgres looks for itself.
    this.#int32(0);
    this.#int32(oid);
    if (values.length === 0) return;
    this.#int32(values.length);
    this.#int32(1);
  }

  null(): void {
    this.#reserve(4);
    this.#int32(-1);
  }

  text(value: string, version?: number): void {
    this.#reserve(5 + value.length * 3);
    const start = this.#at + 4;
    this.#at = start;
    if (version !== undefined) this.#buffer[this.#at++] = version;
    this.#at += this.#buffer.write(value, this.#at);
    this.#buffer.writeInt32BE(this.#at - start, start - 4);
  }

  raw(value: Buffer): void {
    this.#reserve(4 + value.length);
    this.#int32(value.length);
    this.#at += value.copy(this.#buffer, this.#at);
  }

  int(value: number, size: number): void {
    if (!Number.isInteger(value)) throw new TypeError(`${value} is no integer`);
    this.#reserve(4 + size);
    this.#int32(size);
    this.#at = this.#buffer.writeIntBE(value, this.#at, size);
  }

  bigint(value: bigint): void {
    this.#reserve(12);
    this.#int32(8);
    this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
  }

  double(value: number): void {
    this.#reserve(12);
    this.#int32(8);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  time(value: Date | string): void {
    const ms = typeof value === 'string' ? Date.parse(value) : value.getTime();
    if (Number.isNaN(ms)) throw new TypeError('not a time');
    this.bigint(BigInt(ms - epochMs) * 1000n);
  }

  #int32(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + size));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** One for all: an array is made without a pause in between. */
const scratch = new Bytes();
