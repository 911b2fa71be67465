import { crc32c, Writer } from '@platformatic/kafka';
import type { Message } from 'kafkajs';

/** A record as @platformatic/kafka hands it to its produce API, but with the whole message for its value. */
export interface PlacedMessage {
  readonly topic: string;
  readonly partition: number;
  readonly value: Message;
}

export interface ProducerState {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Sequence number of the first record, by `topic:partition`. */
  readonly sequences: ReadonlyMap<string, number>;
}

/**
 * Writes produce requests (versions 9 to 11; `acks=all`, neither compressed nor part of a transaction) into one buffer. The client
 * library puts them together of some fifty small buffers per record, which takes four times as long.
 * Source: Apache Kafka, "Kafka protocol guide", Produce; "Message format", record batch.
 */
export class ProduceRequests {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #at = 0;

  /** @param timestamp of all records, in milliseconds since the epoch */
  encode(messages: readonly PlacedMessage[], timeoutMs: number, timestamp: number, producer: ProducerState): Buffer {
    this.#at = 0;
    this.#reserve(16);
    this.#unsignedVarInt(0); // no transaction
    this.#int16(-1); // acks=all
    this.#int32(timeoutMs);
    const topics = Map.groupBy(messages, ({ topic }) => topic);
    this.#unsignedVarInt(topics.size + 1);
    for (const [topic, ofTopic] of topics) {
      const partitions = Map.groupBy(ofTopic, ({ partition }) => partition);
      this.#reserve(topic.length + 16);
      // The names of topics are ASCII.
      this.#unsignedVarInt(topic.length + 1);
      this.#at += this.#buffer.write(topic, this.#at);
      this.#unsignedVarInt(partitions.size + 1);
      for (const [partition, ofPartition] of partitions) {
        this.#reserve(batchHeadBytes + 16);
        this.#int32(partition);
        this.#batch(ofPartition, BigInt(timestamp), producer, producer.sequences.get(`${topic}:${partition}`) ?? 0);
        this.#noTags();
      }
      this.#noTags();
    }
    this.#noTags();
    return Buffer.from(this.#buffer.subarray(0, this.#at));
  }

  #batch(messages: readonly PlacedMessage[], time: bigint, producer: ProducerState, firstSequence: number): void {
    const start = (this.#at += usualBatchLength);
    this.#int64(0n); // the first offset, which the broker gives
    const length = this.#at;
    this.#at += 4;
    this.#int32(0); // epoch of the leader, the broker's too
    this.#int8(2); // version
    const checksum = this.#at;
    this.#at += 4;
    this.#int16(0); // attributes
    this.#int32(messages.length - 1);
    this.#int64(time);
    this.#int64(time);
    this.#int64(producer.producerId);
    this.#int16(producer.producerEpoch);
    this.#int32(firstSequence);
    this.#int32(messages.length);
    for (const [index, { value }] of messages.entries()) this.#record(value, index);
    this.#buffer.writeInt32BE(this.#at - length - 4, length);
    this.#buffer.writeUInt32BE(crcOf(this.#buffer.subarray(checksum + 4, this.#at)), checksum);
    this.#putLength(start, usualBatchLength, this.#at - start + 1);
  }

  #record({ key, value, headers }: Message, index: number): void {
    this.#reserve(16);
    const start = (this.#at += usualRecordLength);
    this.#int8(0); // attributes
    this.#int8(0); // milliseconds after the first record
    this.#varInt(index);
    this.#bytes(key);
    this.#bytes(value);
    const names = headers ? Object.keys(headers) : [];
    this.#reserve(8);
    this.#varInt(names.length);
    for (const name of names) {
      this.#bytes(nameOf(name));
      this.#bytes(lastOf(headers?.[name]));
    }
    this.#putLength(start, usualRecordLength, zigzag(this.#at - start));
  }

  #bytes(data: Buffer | string | null | undefined): void {
    if (data === null || data === undefined) {
      this.#reserve(1);
      this.#varInt(-1);
    } else if (typeof data === 'string') {
      // As many bytes as units, unless it is not ASCII.
      const room = sizeOfVarInt(zigzag(data.length));
      this.#reserve(data.length * 3 + room);
      const start = (this.#at += room);
      this.#at += this.#buffer.write(data, start);
      this.#putLength(start, room, zigzag(this.#at - start));
    } else {
      this.#reserve(data.length + 5);
      this.#varInt(data.length);
      this.#buffer.set(data, this.#at);
      this.#at += data.length;
    }
  }

  /** Puts a length before what was written from `start` on, where `room` bytes were left for it. */
  #putLength(start: number, room: number, length: number): void {
    const more = sizeOfVarInt(length) - room;
    const end = this.#at + more;
    if (more !== 0) {
      this.#reserve(more);
      this.#buffer.copyWithin(start + more, start, this.#at);
    }
    this.#at = start - room;
    this.#unsignedVarInt(length);
    this.#at = end;
  }

  #varInt(value: number): void {
    this.#unsignedVarInt(zigzag(value));
  }

  #unsignedVarInt(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
    this.#buffer[this.#at++] = rest;
  }

  #int8(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  #int16(value: number): void {
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  #int32(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  #int64(value: bigint): void {
    this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
  }

  /** Tagged fields of a version to come; there are none. */
  #noTags(): void {
    this.#reserve(1);
    this.#int8(0);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

const batchHeadBytes = 61;
/** Bytes that are left for the lengths of a batch and a record until these are known; most need two. */
const usualBatchLength = 2;
const usualRecordLength = 2;

/** Signed numbers as unsigned ones, so that those near zero are short: 0, -1, 1, -2, … */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function sizeOfVarInt(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size++;
  return size;
}

function crcOf(bytes: Buffer): number {
  // In the library's own kind of buffer it takes them without a copy.
  return crc32c(Writer.create().append(bytes).dynamicBuffer);
}

/** A header that repeats cannot be said with a map; the last one is what readers take. */
export function lastOf(header: Buffer | string | (Buffer | string)[] | undefined): Buffer | string {
  const last = Array.isArray(header) ? header.at(-1) : header;
  return last ?? '';
}

/** Names of headers, which recur in every record, encoded once. */
const names = new Map<string, Buffer>();
const maxRemembered = 1_000;

function nameOf(text: string): Buffer {
  let bytes = names.get(text);
  if (!bytes) {
    bytes = Buffer.from(text);
    // Names come from code; should something else ever get here, it must not fill the memory.
    if (names.size < maxRemembered) names.set(text, bytes);
  }
  return bytes;
}
