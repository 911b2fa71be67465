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

const description = JSON.parse(
  readFileSync(new URL('./twilio-messages.json', import.meta.url), 'utf8').replaceAll(
    '"#/components/',
    '"twilio#/components/',
  ),
) as Description;

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

/** Every described field has to be there and no other. */
function complete(schema: AnySchemaObject): AnySchemaObject {
  const reference: unknown = schema.$ref;
  const target = typeof reference === 'string' ? schemaNamed(reference.split('/').at(-1) ?? '') : schema;
  const properties = target['properties'] as Record<string, AnySchemaObject>;
  const nested = properties['messages'];
  return {
    ...target,
    additionalProperties: false,
    required: Object.keys(properties),
    properties: nested
      ? { ...properties, messages: { ...nested, items: complete(nested['items'] as AnySchemaObject) } }
      : properties,
  };
}

function schemaNamed(name: string): AnySchemaObject {
  const schema = description.components.schemas[name];
  if (!schema) throw new Error(`the description has no schema ${name}`);
  return schema;
}

function operationOf({ method, path }: Exchange) {
  for (const [template, operations] of Object.entries(description.paths)) {
    const pattern = template.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+?)');
    const match = new RegExp(`^${pattern}$`).exec(path);
    if (match) return { operation: operations[method.toLowerCase()], path: { ...match.groups } };
  }
  return { operation: undefined, path: {} };
}

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
  // Twilio describes page URIs as `uri` and shows relative ones in its examples.
  ajv.addFormat('uri', (text: string) => URL.canParse(text, 'https://api.twilio.com'));
  ajv.addSchema({ $id: 'twilio', components: description.components });
  return ajv;
}
