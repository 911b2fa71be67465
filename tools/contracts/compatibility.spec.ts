import { describe, expect, it } from '@jest/globals';
import { type AsyncApi, type Channel } from './asyncapi.ts';
import { breakingChanges, brokenSchema } from './compatibility.ts';
import { type Audience, type JsonSchema } from './json-schemas.ts';

const object = (properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required,
});
const text: JsonSchema = { type: 'string' };
const textOrNull: JsonSchema = { type: ['string', 'null'] };
const record = (value: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties: value });
const state = (...values: string[]): JsonSchema => ({ type: 'string', enum: values });

const tree = (name: JsonSchema): JsonSchema => ({
  $ref: '#/$defs/Tree',
  $defs: { Tree: object({ name, children: { type: 'array', items: { $ref: '#/$defs/Tree' } } }) },
});

interface Case {
  change: string;
  before: JsonSchema;
  after: JsonSchema;
  /** What is said when it is a command; empty when nobody breaks. */
  us: string[];
  /** What is said when it is an event or a callback. */
  others: string[];
}

const cases: Case[] = [
  { change: 'nothing', before: object({ a: text }, ['a']), after: object({ a: text }, ['a']), us: [], others: [] },
  {
    change: 'an optional field is added',
    before: object({ a: text }),
    after: object({ a: text, b: text }),
    us: [],
    others: [],
  },
  {
    change: 'a required field is added',
    before: object({}),
    after: object({ a: text }, ['a']),
    us: ['t.a: absence no longer accepted'],
    others: [],
  },
  {
    change: 'a field is removed',
    before: object({ a: text }),
    after: object({}),
    us: ['t.a: removed'],
    others: ['t.a: removed'],
  },
  {
    change: 'a field of a list element is removed',
    before: { type: 'array', items: object({ a: text }) },
    after: { type: 'array', items: object({}) },
    us: ['t[].a: removed'],
    others: ['t[].a: removed'],
  },
  {
    change: 'a required field becomes optional',
    before: object({ a: text }, ['a']),
    after: object({ a: text }),
    us: [],
    others: ['t.a: absence newly possible'],
  },
  {
    change: 'a field becomes nullable',
    before: object({ a: text }),
    after: object({ a: textOrNull }),
    us: [],
    others: ['t.a: null newly possible'],
  },
  {
    change: 'a field is null no more',
    before: object({ a: { anyOf: [text, { type: 'null' }] } }),
    after: object({ a: text }),
    us: ['t.a: null no longer accepted'],
    others: [],
  },
  {
    change: 'null is said in another way',
    before: object({ a: textOrNull }),
    after: object({ a: { anyOf: [text, { type: 'null' }] } }),
    us: [],
    others: [],
  },
  {
    change: 'an integer becomes a number',
    before: { type: 'integer' },
    after: { type: 'number' },
    us: [],
    others: ['t: number newly possible'],
  },
  {
    change: 'a type becomes another',
    before: text,
    after: { type: 'integer' },
    us: ['t: string no longer accepted'],
    others: ['t: integer newly possible'],
  },
  {
    change: 'an enum gains a value',
    before: state('sent'),
    after: state('sent', 'read'),
    us: [],
    others: ['t: "read" newly possible'],
  },
  {
    change: 'an enum loses a value',
    before: state('sent', 'read'),
    after: state('sent'),
    us: ['t: "read" no longer accepted'],
    others: [],
  },
  {
    change: 'a constant becomes an enum that has it',
    before: { type: 'string', const: 'twilio' },
    after: state('twilio', 'sendgrid'),
    us: [],
    others: ['t: "sendgrid" newly possible'],
  },
  {
    change: 'any text becomes an enum',
    before: text,
    after: state('a'),
    us: ['t: values outside ["a"] no longer accepted'],
    others: [],
  },
  {
    change: 'an upper limit shrinks',
    before: { type: 'string', maxLength: 10 },
    after: { type: 'string', maxLength: 9 },
    us: ['t: maxLength over 9 no longer accepted'],
    others: [],
  },
  {
    change: 'an upper limit goes',
    before: { type: 'array', items: text, maxItems: 5 },
    after: { type: 'array', items: text },
    us: [],
    others: ['t: maxItems over 5 newly possible'],
  },
  {
    change: 'a lower limit rises',
    before: { type: 'integer', minimum: 0 },
    after: { type: 'integer', minimum: 1 },
    us: ['t: minimum under 1 no longer accepted'],
    others: [],
  },
  {
    change: 'a pattern appears',
    before: text,
    after: { type: 'string', pattern: '^a' },
    us: ['t: another pattern no longer accepted'],
    others: [],
  },
  {
    change: 'a format changes',
    before: { type: 'string', format: 'date-time' },
    after: { type: 'string', format: 'date' },
    us: ['t: another format no longer accepted'],
    others: ['t: another format newly possible'],
  },
  {
    change: 'the values of a record are limited',
    before: record(text),
    after: record({ type: 'string', maxLength: 5 }),
    us: ['t.*: maxLength over 5 no longer accepted'],
    others: [],
  },
  {
    change: 'a nested field changes',
    before: object({ a: object({ b: text }, ['b']) }),
    after: object({ a: object({ b: textOrNull }, ['b']) }),
    us: [],
    others: ['t.a.b: null newly possible'],
  },
  {
    change: 'a referenced schema changes',
    before: { $ref: '#/$defs/State', $defs: { State: state('sent') } },
    after: { $ref: '#/$defs/State', $defs: { State: state('sent', 'read') } },
    us: [],
    others: ['t: "read" newly possible'],
  },
  {
    change: 'a schema that refers to itself changes',
    before: tree({ type: 'string', maxLength: 5 }),
    after: tree({ type: 'string', maxLength: 9 }),
    us: [],
    others: ['t.name: maxLength over 5 newly possible'],
  },
  {
    change: 'words about a field change',
    before: { type: 'string', description: 'old', examples: ['a'] },
    after: { type: 'string', description: 'new', title: 'T', default: 'x' },
    us: [],
    others: [],
  },
  {
    change: 'a keyword that cannot be judged changes',
    before: { type: 'object', not: { required: ['a'] } },
    after: { type: 'object', not: { required: ['b'] } },
    us: ['t: another not no longer accepted'],
    others: ['t: another not newly possible'],
  },
];

describe.each<Audience>(['us', 'others'])('a schema read by %s', (audience) => {
  it.each(cases)('$change', ({ before, after, [audience]: expected }) => {
    expect(brokenSchema(before, after, audience, 't')).toEqual(expected);
  });
});

function contracts(
  change: Partial<{ partitions: number; cleanup: string; key: string; types: string[] }> = {},
): AsyncApi {
  const { partitions = 12, cleanup = 'delete', key = 'message id', types = ['sent.v1', 'read.v1'] } = change;
  const channel: Channel = {
    address: 'events.v1',
    summary: '',
    messages: Object.fromEntries(types.map((type) => [type, { $ref: `#/components/messages/${type}` }])),
    bindings: { kafka: { partitions, topicConfiguration: { 'cleanup.policy': [cleanup] }, bindingVersion: '0.5.0' } },
  };
  const message = (type: string) => ({
    name: type,
    payload: { $ref: `#/components/schemas/${type}` },
    bindings: { kafka: { key: { type: 'string' as const, description: key } } },
  });
  return {
    channels: { 'events.v1': channel },
    components: {
      messages: Object.fromEntries(types.map((type) => [type, message(type)])),
      schemas: Object.fromEntries(types.map((type) => [type, object({ a: text })])),
    },
  };
}

describe('topics', () => {
  it.each([
    { change: 'nothing', after: contracts(), says: [] },
    { change: 'more partitions', after: contracts({ partitions: 24 }), says: [] },
    { change: 'a new type', after: contracts({ types: ['sent.v1', 'read.v1', 'seen.v1'] }), says: [] },
    {
      change: 'fewer partitions',
      after: contracts({ partitions: 6 }),
      says: ['events.v1: fewer partitions, 12 → 6'],
    },
    {
      change: 'another cleanup policy',
      after: contracts({ cleanup: 'compact' }),
      says: ['events.v1: cleanup policy delete → compact'],
    },
    {
      change: 'another key',
      after: contracts({ key: 'tenant', types: ['sent.v1', 'read.v1'] }),
      says: Array(2).fill('events.v1: key changed, "message id" → "tenant"'),
    },
    { change: 'a type is removed', after: contracts({ types: ['sent.v1'] }), says: ['events.v1: read.v1 removed'] },
    { change: 'the topic is removed', after: { ...contracts(), channels: {} }, says: ['events.v1: topic removed'] },
  ])('$change', ({ after, says }) => {
    expect(breakingChanges(contracts(), after)).toEqual(says);
  });
});
