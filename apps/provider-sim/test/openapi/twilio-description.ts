import { readFileSync } from 'node:fs';
import { Ajv, type AnySchemaObject } from 'ajv';
import formats from 'ajv-formats';

/** A request and its answer as they went over the wire. */
export interface Exchange {
  method: string;
  /** Without the query. */
  path: string;
  query: Record<string, unknown>;
  form: Record<string, unknown> | undefined;
  status: number;
  body: string;
}

interface Operation {
  parameters: { name: string; in: 'path' | 'query'; schema: AnySchemaObject; required?: boolean }[];
  requestBody?: { content: { 'application/x-www-form-urlencoded': { schema: AnySchemaObject } } };
  responses: Record<string, { content?: { 'application/json': { schema: AnySchemaObject } } }>;
}

interface Description {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, AnySchemaObject> };
}

/** The parts of Twilio's descriptions that are here; no two of them have a path or a schema in common. */
const parts = ['messages', 'verify', 'voice'].map(
  (name) =>
    JSON.parse(
      readFileSync(new URL(`./twilio-${name}.json`, import.meta.url), 'utf8').replaceAll(
        '"#/components/',
        '"twilio#/components/',
      ),
      withoutIdleNullable,
    ) as Description,
);
const description: Description = {
  paths: Object.assign({}, ...parts.map(({ paths }) => paths)) as Description['paths'],
  components: {
    schemas: Object.assign({}, ...parts.map(({ components }) => components.schemas)) as Record<string, AnySchemaObject>,
  },
};

/** Twilio leaves out the type where anything may stand, and marks that as nullable, which says nothing by itself. */
function withoutIdleNullable(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('nullable' in value) || 'type' in value) return value;
  const { nullable: _idle, ...rest } = value;
  return rest;
}

const error: AnySchemaObject = {
  type: 'object',
  additionalProperties: false,
  required: ['code', 'message', 'more_info', 'status'],
  properties: {
    code: { type: 'integer' },
    message: { type: 'string' },
    more_info: { type: 'string', format: 'uri' },
    status: { type: 'integer' },
  },
};

/** Values of forms and queries are text, so they are read as the type the description says. */
const requests = validator({ coerceTypes: 'array' });
const answers = validator({ coerceTypes: false });

/** What in an exchange does not fit Twilio's own description of the API; empty when all does. */
export function faultsOf(exchange: Exchange): string[] {
  const { operation, path } = operationOf(exchange);
  if (!operation) return [`${exchange.method} ${exchange.path} is no operation of Twilio's`];
  const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
  const inQuery = operation.parameters.filter((parameter) => parameter.in === 'query');
  const form = operation.requestBody?.content['application/x-www-form-urlencoded'].schema;
  return [
    ...check(requests, 'path', parameters(inPath), path),
    ...check(requests, 'query', parameters(inQuery), exchange.query),
    ...(form ? check(requests, 'form', { ...form, additionalProperties: false }, { ...exchange.form }) : []),
    ...answerFaults(operation, exchange),
  ];
}

function answerFaults(operation: Operation, { status, body }: Exchange): string[] {
  if (status >= 400) {
    const answer = JSON.parse(body) as { status: number };
    return [...check(answers, 'error', error, answer), ...(answer.status === status ? [] : ['error: status differs'])];
  }
  const response = operation.responses[String(status)];
  if (!response) return [`status ${status} is not described`];
  const schema = response.content?.['application/json'].schema;
  if (!schema) return body === '' ? [] : ['a body where none is described'];
  return check(answers, 'answer', complete(schema), JSON.parse(body));
}

/** Every described field has to be there and no other, also in what a list lists. */
function complete(schema: AnySchemaObject): AnySchemaObject {
  const reference: unknown = schema.$ref;
  const target = typeof reference === 'string' ? schemaNamed(reference.split('/').at(-1) ?? '') : schema;
  const items = target['items'] as AnySchemaObject | undefined;
  if (items) return { ...target, items: complete(items) };
  const properties = target['properties'] as Record<string, AnySchemaObject> | undefined;
  if (!properties) return target;
  return {
    ...target,
    additionalProperties: false,
    required: Object.keys(properties),
    properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, complete(one)])),
  };
}

function schemaNamed(name: string): AnySchemaObject {
  const schema = description.components.schemas[name];
  if (!schema) throw new Error(`the description has no schema ${name}`);
  return schema;
}

function operationOf({ method, path }: Exchange) {
  // What a path says outright comes before what one of its parameters may be.
  const templates = Object.entries(description.paths).sort(([one], [other]) => holes(one) - holes(other));
  for (const [template, operations] of templates) {
    const pattern = template.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+?)');
    const match = new RegExp(`^${pattern}$`).exec(path);
    if (match) return { operation: operations[method.toLowerCase()], path: { ...match.groups } };
  }
  return { operation: undefined, path: {} };
}

const holes = (template: string): number => template.split('{').length;

function parameters(list: Operation['parameters']): AnySchemaObject {
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(list.map(({ name, schema }) => [name, schema])),
    required: list.filter(({ required }) => required).map(({ name }) => name),
  };
}

function check(ajv: Ajv, what: string, schema: AnySchemaObject, value: unknown): string[] {
  const validate = ajv.compile(schema);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${what}${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}

function validator(options: { coerceTypes: 'array' | false }): Ajv {
  const ajv = new Ajv({ ...options, strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addFormat('phone-number', /^((whatsapp:)?\+\d{7,15}|\d{3,8}|[A-Za-z0-9 ]{1,11})$/);
  ajv.addFormat(
    'date-time-rfc-2822',
    /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000$/,
  );
  ajv.addFormat('currency', /^[A-Za-z]{3}$/);
  ajv.addFormat('uri-map', true);
  ajv.addFormat('endpoint', /^(\+\d{7,15}|(sip|client):.+)$/);
  ajv.addFormat('http-method', /^(GET|POST)$/);
  ajv.addFormat('twiml', true);
  ajv.addFormat('iso-country-code', /^[A-Z]{2}$/);
  // Twilio describes page URIs as `uri` and shows relative ones in its examples.
  ajv.addFormat('uri', (text: string) => URL.canParse(text, 'https://api.twilio.com'));
  ajv.addSchema({ $id: 'twilio', components: description.components });
  return ajv;
}
