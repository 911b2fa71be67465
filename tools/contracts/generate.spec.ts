import { describe, expect, it } from '@jest/globals';
import { Ajv, type AnySchema } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { topics } from '../../libs/contracts/src/index.ts';
import { exampleOf, type AsyncApi } from './asyncapi.ts';
import { breakingChanges } from './compatibility.ts';
import { generate } from './generate.ts';
import { jsonSchemas } from './json-schemas.ts';

const load = (path: string) =>
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve(path), 'utf8')) as Record<string, AnySchema>;
const all = Object.values(topics);
const files = generate();
const document = JSON.parse(files.get('asyncapi.json') ?? '') as AsyncApi;
const types = all.flatMap((topic) => Object.keys(topic.messages));

describe('asyncapi.json', () => {
  it("fulfils AsyncAPI's own schema", () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    const validate = ajv.compile(load('@asyncapi/specs/schemas/3.0.0-without-$id.json'));
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
    const broken = structuredClone(document);
    Object.assign(broken.channels['commands.messaging.v1']?.bindings.kafka ?? {}, { partitions: 'many' });
    expect(validate(broken)).toBe(false);
  });

  it('has every topic and its dead-letter topic', () => {
    expect(Object.keys(document.channels).sort()).toEqual(all.flatMap(({ name }) => [name, `${name}.dlq`]).sort());
  });

  it('leads nowhere with no reference', () => {
    const references = [...(files.get('asyncapi.json') ?? '').matchAll(/"\$ref": "#\/(.*)"/g)].map(
      ([, path = '']) => path,
    );
    const dangling = references.filter((path) => {
      const target = path
        .split('/')
        .reduce<unknown>((node, part) => (node as Record<string, unknown>)?.[part], document);
      return target === undefined;
    });
    expect(references.length).toBeGreaterThan(types.length);
    expect(dangling).toEqual([]);
  });

  it('breaks nothing of itself, and notices what does', () => {
    expect(breakingChanges(document, document)).toEqual([]);
    const { components } = document;
    const changed = structuredClone(components.schemas['messaging.send.v1']) ?? {};
    changed.required = [...(changed.required ?? []), 'body'];
    const schemas = { ...components.schemas, 'messaging.send.v1': changed };
    expect(breakingChanges(document, { ...document, components: { ...components, schemas } })).toEqual([
      'messaging.send.v1.body: absence no longer accepted',
    ]);
  });
});

describe('JSON Schemas', () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  formats.default(ajv);
  const validators = new Map([...jsonSchemas(all)].map(([type, schema]) => [type, ajv.compile(schema)]));

  it.each(types)('%s: the example is valid, an object without its first required field is not', (type) => {
    const validate = validators.get(type);
    expect(validate?.(exampleOf(type))).toBe(true);
    const { tenant: _, ...rest } = exampleOf(type) as { tenant: string };
    expect(validate?.(rest)).toBe(false);
  });

  it('let a publisher leave defaults out, and promise them to a consumer', () => {
    const required = (type: string) => jsonSchemas(all).get(type)?.required;
    expect(required('messaging.send.v1')).not.toContain('metadata');
    expect(required('messaging.message.state-changed.v1')).toContain('metadata');
  });

  it('stay open for fields to come', () => {
    const ofTypes = [...files].filter(([name]) => name.startsWith('schemas/'));
    expect(ofTypes.filter(([, content]) => content.includes('"additionalProperties": false'))).toEqual([]);
  });
});

it('the index names every topic and type', () => {
  const page = files.get('README.md') ?? '';
  for (const name of [...all.map((topic) => topic.name), ...types]) expect(page).toContain(name);
});

describe('flow.schema.json', () => {
  const validate = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(
    JSON.parse(files.get('flow.schema.json') ?? '') as AnySchema,
  );
  const flow = { format: 1, start: 'bye', nodes: { bye: { type: 'hangup', prompt: 'Goodbye' } } };

  it('takes a flow, without what has a default', () => {
    expect(validate(flow)).toBe(true);
  });

  it.each([
    ['a misspelt field', { ...flow, begin: 'bye' }],
    ['an unknown kind of node', { ...flow, nodes: { bye: { type: 'sing' } } }],
    ['a voice that there is not', { ...flow, voice: 'Polly.Nobody' }],
  ])('refuses %s', (_label, wrong) => {
    expect(validate(wrong)).toBe(false);
  });
});
