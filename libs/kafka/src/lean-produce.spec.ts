import { describe, expect, it } from '@jest/globals';
import {
  NumericMap,
  produceV8,
  produceV9,
  produceV10,
  produceV11,
  Reader,
  readRecordsBatch,
  type Writer,
} from '@platformatic/kafka';
import type { Message } from 'kafkajs';
import { leanProduce, type ProduceApi } from './lean-produce.ts';
import { lastOf, type PlacedMessage, ProduceRequests, type ProducerState } from './produce-request.ts';

type Library = typeof produceV11;

const timestamp = Date.UTC(2026, 10, 27);
const state: ProducerState = {
  producerId: 2n ** 40n,
  producerEpoch: 3,
  sequences: new NumericMap([
    ['one:0', 41],
    ['two:1', 7],
  ]),
};
const bytes = (data: Buffer | string) => (typeof data === 'string' ? Buffer.from(data) : data);

/** As the client library writes the same request by itself. */
function byLibrary({ createRequest }: Pick<Library, 'createRequest'>, placed: readonly PlacedMessage[]): Buffer {
  const records = placed.map(({ topic, partition, value: { key, value, headers = {} } }) => ({
    topic,
    partition,
    timestamp: BigInt(timestamp),
    ...(key !== null && key !== undefined && { key: bytes(key) }),
    value: (value === null ? undefined : bytes(value)) as Buffer,
    headers: new Map(Object.keys(headers).map((name) => [Buffer.from(name), bytes(lastOf(headers[name]))])),
  }));
  return createRequest(-1, 5_000, records, state as unknown as Parameters<Library['createRequest']>[3]).buffer;
}

const message = (changes: Partial<Message>): Message => ({ key: 'key', value: 'value', ...changes });
const inOne = (messages: Message[]) => messages.map((value) => ({ topic: 'one', partition: 0, value }));

const cases: readonly [string, readonly PlacedMessage[]][] = [
  ['bytes', inOne([message({ value: Buffer.from([1, 255]), headers: { raw: Buffer.from([0, 254]) } })])],
  ['no key and no value', inOne([{ value: null }])],
  ['empty ones', inOne([message({ key: '', value: '', headers: { empty: '' } })])],
  ['a header that repeats', inOne([message({ headers: { twice: ['first', 'last'] } })])],
  ['two to four bytes a letter', inOne([message({ key: 'né', value: '€', headers: { ö: '😀'.repeat(9) } })])],
  ['half a surrogate pair', inOne([message({ value: '\ud800' })])],
  [
    'lengths where a length takes one byte more',
    inOne([40, 55, 56, 63, 64, 8_170, 8_180, 8_191, 8_192, 16_384].map((n) => message({ value: 'x'.repeat(n) }))),
  ],
  [
    'and where bytes do and letters do not',
    inOne([21, 22, 30, 2_731, 3_000].map((n) => message({ value: '€'.repeat(n) }))),
  ],
  [
    'more than there is room for at first',
    inOne([message({ value: 'x'.repeat(900_000) }), message({ value: '€'.repeat(90_000), key: 'k'.repeat(70_000) })]),
  ],
  ['many records', inOne(Array.from({ length: 300 }, (_, n) => message({ key: `key-${n}`, headers: { n: `${n}` } })))],
  [
    'topics and partitions',
    ['one:0', 'one:3', 'two:1', 'one:0', 'two:1', 'two:2'].map((place, n) => ({
      topic: place.slice(0, 3),
      partition: Number(place.slice(4)),
      value: message({ value: `${n}` }),
    })),
  ],
];

describe('a produce request', () => {
  const requests = new ProduceRequests();

  it.each(cases)('with %s is what the library writes, byte for byte', (_label, placed) => {
    const expected = byLibrary(produceV11, placed);
    expect(requests.encode(placed, 5_000, timestamp, state).equals(expected)).toBe(true);
  });

  it('stays as it is when the next one is written', () => {
    const [, placed = []] = cases[0] ?? [];
    const first = requests.encode(placed, 5_000, timestamp, state);
    requests.encode(inOne([message({ value: 'another' })]), 5_000, timestamp, state);
    expect(first.equals(byLibrary(produceV11, placed))).toBe(true);
  });
});

describe('leanProduce', () => {
  /** What goes out to a broker of this version. */
  function sent(library: Pick<Library, 'createRequest'> & { api: unknown }, placed: PlacedMessage[]) {
    const calls: { key: number; version: number; payload: Buffer }[] = [];
    const connection = {
      send: (key: number, version: number, create: () => Writer) =>
        calls.push({ key, version, payload: create().buffer }),
    };
    const api = leanProduce(library.api as ProduceApi);
    api(connection as unknown as Parameters<ProduceApi>[0], -1, 5_000, placed, state, () => undefined);
    const [call] = calls;
    if (!call || calls.length > 1) throw new Error(`${calls.length} requests`);
    return call;
  }

  it.each([
    [8, produceV8],
    [9, produceV9],
    [10, produceV10],
    [11, produceV11],
  ])('speaks version %i, which older brokers and newer ones know', (version, library) => {
    const placed = inOne([message({ headers: { twice: ['first', 'last'] } })]);
    const call = sent(library, placed);
    expect(call).toMatchObject({ key: 0, version });
    // Its time is that of the call, so the batch is read and not compared.
    const head = byLibrary(library, placed).length - call.payload.length;
    expect(head).toBe(0);
    const start = call.payload.indexOf(Buffer.alloc(8), version === 8 ? 20 : 12);
    const batch = readRecordsBatch(Reader.from(call.payload.subarray(start)));
    expect(batch).toMatchObject({ producerId: state.producerId, producerEpoch: 3, firstSequence: 41 });
    expect(batch.records.map(({ key, value, headers }) => [key, value, headers].map(String))).toEqual([
      ['key', 'value', 'twice,last'],
    ]);
  });
});
