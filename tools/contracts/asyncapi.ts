import { deadLetterRetentionMs, deadLetterTopic, examples, type Topic } from '../../libs/contracts/src/index.ts';
import { type JsonSchema } from './json-schemas.ts';

/** The part of AsyncAPI 3.0 that `compatibility.ts` compares. */
export interface AsyncApi {
  channels: Record<string, Channel>;
  components: { messages: Record<string, Message>; schemas: Record<string, JsonSchema> };
  [field: string]: unknown;
}

export interface Channel {
  address: string;
  summary: string;
  messages: Record<string, Reference>;
  bindings: { kafka: { partitions: number; topicConfiguration: Record<string, unknown>; bindingVersion: string } };
}

export interface Message {
  name: string;
  payload: Reference | JsonSchema;
  bindings: { kafka: { key: { type: 'string'; description: string } } };
  [field: string]: unknown;
}

interface Reference {
  $ref: string;
}

const bindingVersion = '0.5.0';

export function asyncApi(topics: readonly Topic[], schemas: ReadonlyMap<string, JsonSchema>): AsyncApi {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Signalbox topics',
      version: '1.0.0',
      description:
        'CloudEvents 1.0 in Kafka binary mode: attributes are `ce_*` headers, the record value is the JSON data. ' +
        'Types carry their version in their name; inside a version changes are additive.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(topics.flatMap((topic) => [topicChannel(topic), deadLetterChannel(topic)])),
    operations: Object.fromEntries(topics.flatMap(operations)),
    components: {
      messages: Object.fromEntries([...topics.flatMap(messages), ['dead-letter', deadLetter]]),
      schemas: { CloudEventHeaders: cloudEventHeaders, DeadLetterHeaders: deadLetterHeaders, ...components(schemas) },
    },
  };
}

function topicChannel(topic: Topic): [string, Channel] {
  const { name, summary, cleanup, retentionMs } = topic;
  const topicConfiguration =
    cleanup === 'compact'
      ? { 'cleanup.policy': ['compact'] }
      : { 'cleanup.policy': ['delete'], 'retention.ms': retentionMs };
  return [
    name,
    {
      address: name,
      summary,
      messages: Object.fromEntries(Object.keys(topic.messages).map((type) => [type, messageRef(type)])),
      bindings: { kafka: { partitions: topic.partitions, topicConfiguration, bindingVersion } },
    },
  ];
}

function deadLetterChannel(topic: Topic): [string, Channel] {
  const topicConfiguration = { 'cleanup.policy': ['delete'], 'retention.ms': deadLetterRetentionMs };
  return [
    deadLetterTopic(topic),
    {
      address: deadLetterTopic(topic),
      summary: `What of ${topic.name} could not be handled`,
      messages: { 'dead-letter': messageRef('dead-letter') },
      bindings: { kafka: { partitions: topic.partitions, topicConfiguration, bindingVersion } },
    },
  ];
}

const messageRef = (name: string): Reference => ({ $ref: `#/components/messages/${name}` });

/** `receive` and `send` are seen from Signalbox; the edge sends callbacks and a domain service receives them. */
function operations(topic: Topic): [string, object][] {
  const operation = (action: 'send' | 'receive', channel: string): [string, object] => [
    `${action}-${channel}`,
    { action, channel: { $ref: `#/channels/${channel}` } },
  ];
  const park = operation('send', deadLetterTopic(topic));
  if (topic.name.startsWith('commands.')) return [operation('receive', topic.name), park];
  if (topic.name.startsWith('callbacks.')) {
    return [operation('send', topic.name), operation('receive', topic.name), park];
  }
  return [operation('send', topic.name), park];
}

function messages(topic: Topic): [string, Message][] {
  return Object.entries(topic.messages).map(([type, schema]) => [
    type,
    {
      name: type,
      title: schema.meta()?.id ?? type,
      summary: schema.meta()?.description ?? topic.summary,
      contentType: 'application/json',
      headers: { $ref: '#/components/schemas/CloudEventHeaders' },
      payload: { $ref: `#/components/schemas/${type}` },
      bindings: { kafka: { key: { type: 'string', description: topic.key }, bindingVersion } },
      examples: [{ name: type, headers: exampleHeaders(topic, type), payload: exampleOf(type) }],
    },
  ]);
}

export function exampleOf(type: string): object {
  const example = new Map<string, object>(Object.entries(examples)).get(type);
  if (!example) throw new Error(`no example of ${type} in libs/contracts/src/examples.ts`);
  return example;
}

const exampleSources: Record<string, string> = {
  commands: '//shop/orders',
  callbacks: '//signalbox/webhook-ingest',
  events: '//signalbox/messaging-svc',
};

export function exampleHeaders(topic: Topic, type: string): Record<string, string> {
  return {
    ce_specversion: '1.0',
    'content-type': 'application/json',
    ce_id: '3f0c1f5e-7f0e-4d0f-8f33-0f6a5d4f7c21',
    ce_source: exampleSources[topic.name.split('.')[0] ?? ''] ?? '//signalbox',
    ce_type: type,
    ce_time: '2026-11-24T18:00:00.123Z',
  };
}

const cloudEventHeaders: JsonSchema = {
  type: 'object',
  description: 'CloudEvents 1.0.2 attributes, Kafka binary mode; trace context as in W3C Trace Context',
  properties: {
    ce_specversion: { type: 'string', const: '1.0' },
    'content-type': { type: 'string', const: 'application/json' },
    ce_id: { type: 'string', minLength: 1, description: 'Unique together with ce_source' },
    ce_source: { type: 'string', minLength: 1, description: 'URI reference of the producer' },
    ce_type: { type: 'string', minLength: 1 },
    ce_time: { type: 'string', format: 'date-time' },
    ce_subject: { type: 'string' },
    traceparent: { type: 'string' },
    tracestate: { type: 'string' },
  },
  required: ['ce_id', 'ce_source', 'ce_type'],
};

const deadLetterHeaders: JsonSchema = {
  type: 'object',
  description: "The record's own headers, and these",
  properties: {
    sb_dlq_reason: { type: 'string', description: 'Names fields, never repeats values' },
    sb_dlq_topic: { type: 'string' },
    sb_dlq_partition: { type: 'string' },
    sb_dlq_offset: { type: 'string' },
    sb_dlq_attempts: { type: 'string', description: 'How often it was tried' },
    sb_dlq_group: { type: 'string', description: 'Consumer group that gave up' },
    sb_dlq_time: { type: 'string', format: 'date-time' },
  },
  required: [
    'sb_dlq_reason',
    'sb_dlq_topic',
    'sb_dlq_partition',
    'sb_dlq_offset',
    'sb_dlq_attempts',
    'sb_dlq_group',
    'sb_dlq_time',
  ],
};

const deadLetter: Message = {
  name: 'dead-letter',
  summary: 'A record that could not be handled: key, value and headers byte for byte',
  headers: { $ref: '#/components/schemas/DeadLetterHeaders' },
  payload: { description: 'As published, so it may break the contract of its type or not even be JSON' },
  bindings: { kafka: { key: { type: 'string', description: 'as the original' } } },
};

/** Every schema and what it refers to, under one roof, so that the document stands alone. */
function components(schemas: ReadonlyMap<string, JsonSchema>): Record<string, JsonSchema> {
  const all: Record<string, JsonSchema> = {};
  for (const [type, { $schema: _, $id: __, $defs = {}, ...root }] of schemas) {
    // Zod names what has no id `__schema0`, anew in each document.
    const home = (name: string) => (name.startsWith('__') ? `${type}.${name.slice(2)}` : name);
    for (const [name, schema] of [[type, root] as const, ...Object.entries($defs)]) {
      const moved = JSON.parse(
        JSON.stringify(schema).replaceAll(
          /"#\/\$defs\/([^"]+)"/g,
          (_match, ref: string) => `"#/components/schemas/${home(ref)}"`,
        ),
      ) as JsonSchema;
      const existing = all[home(name)];
      if (existing && JSON.stringify(existing) !== JSON.stringify(moved)) {
        throw new Error(`${name} differs between what is written and what is read: give one of them an id of its own`);
      }
      all[home(name)] = moved;
    }
  }
  return all;
}
