import { type API, createAPI, produceV9, produceV10, produceV11, Writer } from '@platformatic/kafka';
import { lastOf, type PlacedMessage, ProduceRequests, type ProducerState } from './produce-request.ts';

export type ProduceApi = API<[acks: number, timeoutMs: number, PlacedMessage[], ProducerState], unknown>;

/** They differ in their answers only. */
const writable = [produceV9, produceV10, produceV11];

/**
 * The same produce API, but for placed messages. Of brokers that know one of these versions, Kafka 2.8 and later, the request is
 * written by {@link ProduceRequests}; of older ones by the library.
 */
export function leanProduce(api: ProduceApi): ProduceApi {
  const version = writable.find((one) => one.api.version === api.version);
  if (!version) return writtenByLibrary(api);
  const requests = new ProduceRequests();
  const create = (_acks: number, timeoutMs: number, messages: PlacedMessage[], producer: ProducerState) =>
    Writer.create().append(requests.encode(messages, timeoutMs, Date.now(), producer));
  return createAPI(api.key, api.version, create, version.parseResponse);
}

function writtenByLibrary(api: ProduceApi): ProduceApi {
  const call = (...[connection, acks, timeoutMs, messages, ...rest]: Parameters<ProduceApi>) =>
    api(connection, acks, timeoutMs, messages.map(inFull) as unknown as PlacedMessage[], ...rest);
  return Object.assign(call, { key: api.key, version: api.version, async: api.async });
}

function inFull({ topic, partition, value: { key, value, headers = {} } }: PlacedMessage) {
  const all = Object.keys(headers).map((name) => [Buffer.from(name), bytesOf(lastOf(headers[name]))] as const);
  return { topic, partition, key: bytesOf(key), value: bytesOf(value), headers: new Map(all) };
}

function bytesOf(data: Buffer | string | null | undefined): Buffer | undefined {
  return typeof data === 'string' ? Buffer.from(data) : (data ?? undefined);
}
