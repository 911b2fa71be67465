import { type AsyncApi } from './asyncapi.ts';
import { audienceOf, type Audience, type JsonSchema } from './json-schemas.ts';

/**
 * What breaks somebody between two generations of the contracts; empty when every change is additive.
 *
 * Commands are read by us: what a publisher may write today must stay allowed. Events and callbacks are read by others:
 * what comes tomorrow must fit what they were told today, so even a new enum value breaks, because a consumer may
 * decide by exhaustion. A field that goes away breaks in both directions.
 */
export function breakingChanges(before: AsyncApi, after: AsyncApi): string[] {
  return Object.entries(before.channels).flatMap(([topic, channel]) => {
    const now = after.channels[topic];
    if (!now) return [`${topic}: topic removed`];
    const [was, is] = [channel.bindings.kafka, now.bindings.kafka];
    const faults: string[] = [];
    if (is.partitions < was.partitions) faults.push(`${topic}: fewer partitions, ${was.partitions} → ${is.partitions}`);
    const cleanup = [was, is].map((kafka) => String(kafka.topicConfiguration['cleanup.policy']));
    if (cleanup[0] !== cleanup[1]) faults.push(`${topic}: cleanup policy ${cleanup.join(' → ')}`);
    for (const type of Object.keys(channel.messages)) {
      faults.push(...(now.messages[type] ? brokenMessage(type, topic, before, after) : [`${topic}: ${type} removed`]));
    }
    return faults;
  });
}

function brokenMessage(type: string, topic: string, before: AsyncApi, after: AsyncApi): string[] {
  const [was, is] = [before.components.messages[type], after.components.messages[type]];
  if (!was || !is) return [`${topic}: ${type} is not among the components`];
  const [oldKey, newKey] = [was, is].map((message) => message.bindings.kafka.key.description);
  return [
    ...(oldKey === newKey ? [] : [`${topic}: key changed, "${oldKey}" → "${newKey}"`]),
    ...brokenSchema(
      { ...(was.payload as JsonSchema), components: before.components },
      { ...(is.payload as JsonSchema), components: after.components },
      audienceOf(topic),
      type,
    ),
  ];
}

/** The same for the schema of one type; `$ref` is resolved from the root that is passed in. */
export function brokenSchema(before: JsonSchema, after: JsonSchema, audience: Audience, name: string): string[] {
  const was: Node = { schema: before, root: before, trail: [] };
  const is: Node = { schema: after, root: after, trail: [] };
  const grown =
    audience === 'us'
      ? outgrows(was, is, name).map((fault) => `${fault} no longer accepted`)
      : outgrows(is, was, name).map((fault) => `${fault} newly possible`);
  return [...removedFields(was, is, name), ...grown];
}

interface Node {
  readonly schema: JsonSchema;
  readonly root: JsonSchema;
  /** References being followed, so that a schema that refers to itself comes to an end. */
  readonly trail: readonly string[];
}

/** The node with one more step on its trail; undefined when it has been here before. */
function enter(node: Node, other: Node): Node | undefined {
  if (node.schema.$ref === undefined) return node;
  const step = `${node.schema.$ref} ${other.schema.$ref}`;
  return node.trail.includes(step) ? undefined : { ...node, trail: [...node.trail, step] };
}

function removedFields(before: Node, is: Node, path: string): string[] {
  const was = enter(before, is);
  if (!was) return [];
  const now = alternatives(is);
  return alternatives(was).flatMap((old) => [
    ...Object.entries(old.schema.properties ?? {}).flatMap(([field, schema]) => {
      const kept = now.flatMap((node) => {
        const property = node.schema.properties?.[field];
        return property === undefined ? [] : [{ ...node, schema: property as JsonSchema }];
      });
      if (kept.length === 0) return [`${path}.${field}: removed`];
      return kept.flatMap((node) => removedFields({ ...old, schema: schema as JsonSchema }, node, `${path}.${field}`));
    }),
    ...now.flatMap((node) =>
      isSchema(old.schema.items) && isSchema(node.schema.items)
        ? removedFields({ ...old, schema: old.schema.items }, { ...node, schema: node.schema.items }, `${path}[]`)
        : [],
    ),
  ]);
}

/** Where `narrow` allows something that `wide` does not. Judges conservatively: what it does not know has to stay equal. */
function outgrows(inner: Node, wide: Node, path: string): string[] {
  const narrow = enter(inner, wide);
  if (!narrow) return [];
  const targets = alternatives(wide);
  return alternatives(narrow).flatMap((node) => {
    const type = typeOf(node.schema);
    const candidates = targets
      .filter(({ schema }) => fits(type, typeOf(schema)))
      .map((target) => outgrowsOne(node, target, path))
      .sort((a, b) => a.length - b.length);
    return candidates[0] ?? [`${path}: ${type ?? 'any type'}`];
  });
}

const ceilings = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'] as const;
const floors = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'] as const;
const exact = ['pattern', 'format', 'multipleOf', 'uniqueItems', 'contentEncoding'] as const;
const understood = new Set<string>([
  ...[...ceilings, ...floors, ...exact],
  ...['$ref', '$defs', '$id', '$schema', 'components', 'anyOf', 'oneOf', 'type', 'enum', 'const'],
  ...['properties', 'required', 'additionalProperties', 'propertyNames', 'items'],
  ...['title', 'description', 'examples', 'default', 'deprecated', 'readOnly', 'writeOnly', 'id'],
]);

function outgrowsOne(narrow: Node, wide: Node, path: string): string[] {
  const [n, w] = [narrow.schema, wide.schema];
  const faults: string[] = [];
  const values = valuesOf(n);
  const allowed = valuesOf(w);
  if (allowed) {
    const extra = values?.filter((value) => !allowed.includes(value));
    if (!extra) faults.push(`${path}: values outside ${JSON.stringify(allowed)}`);
    else if (extra.length > 0) faults.push(`${path}: ${extra.map((value) => JSON.stringify(value)).join(', ')}`);
  }
  for (const limit of ceilings) {
    const bound = w[limit];
    if (bound !== undefined && !((n[limit] ?? Infinity) <= bound)) faults.push(`${path}: ${limit} over ${bound}`);
  }
  for (const limit of floors) {
    const bound = w[limit];
    if (bound !== undefined && !((n[limit] ?? -Infinity) >= bound)) faults.push(`${path}: ${limit} under ${bound}`);
  }
  for (const keyword of exact) {
    if (w[keyword] !== undefined && w[keyword] !== n[keyword]) faults.push(`${path}: another ${keyword}`);
  }
  for (const keyword of new Set([...Object.keys(n), ...Object.keys(w)])) {
    if (understood.has(keyword) || keyword.startsWith('x-')) continue;
    if (JSON.stringify(n[keyword]) !== JSON.stringify(w[keyword])) faults.push(`${path}: another ${keyword}`);
  }
  return [...faults, ...outgrownFields(narrow, wide, path), ...outgrownItems(narrow, wide, path)];
}

function outgrownFields(narrow: Node, wide: Node, path: string): string[] {
  const [n, w] = [narrow.schema, wide.schema];
  const faults = (w.required ?? [])
    .filter((field) => !n.required?.includes(field))
    .map((field) => `${path}.${field}: absence`);
  for (const [field, schema] of Object.entries(n.properties ?? {})) {
    const target = w.properties?.[field] ?? w.additionalProperties;
    if (target === false) faults.push(`${path}.${field}: presence`);
    else if (isSchema(target)) {
      faults.push(
        ...outgrows({ ...narrow, schema: schema as JsonSchema }, { ...wide, schema: target }, `${path}.${field}`),
      );
    }
  }
  // Objects with named fields are open for additions; only a free-form record says something about the other keys.
  if (!n.properties) {
    for (const keyword of ['additionalProperties', 'propertyNames'] as const) {
      if (!isSchema(w[keyword])) continue;
      const from = isSchema(n[keyword]) ? n[keyword] : {};
      faults.push(...outgrows({ ...narrow, schema: from }, { ...wide, schema: w[keyword] }, `${path}.*`));
    }
  }
  return faults;
}

function outgrownItems(narrow: Node, wide: Node, path: string): string[] {
  if (!isSchema(wide.schema.items)) return [];
  const items = isSchema(narrow.schema.items) ? narrow.schema.items : {};
  return outgrows({ ...narrow, schema: items }, { ...wide, schema: wide.schema.items }, `${path}[]`);
}

/** References followed, and unions taken apart until each schema speaks of one type. */
function alternatives(node: Node): Node[] {
  const { schema, root } = node;
  if (schema.$ref !== undefined) return alternatives({ ...node, schema: resolve(schema.$ref, root) });
  const union = schema.anyOf ?? schema.oneOf;
  if (union) return union.flatMap((option) => alternatives({ ...node, schema: option }));
  if (Array.isArray(schema.type)) {
    const types: JsonSchema['type'][] = schema.type;
    return types.map((type) => ({ ...node, schema: { ...schema, type } }));
  }
  return [node];
}

function resolve(ref: string, root: JsonSchema): JsonSchema {
  const target = ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], root);
  if (!isSchema(target)) throw new Error(`${ref} leads nowhere`);
  return target;
}

function valuesOf(schema: JsonSchema): unknown[] | undefined {
  return schema.const === undefined ? schema.enum : [schema.const];
}

function typeOf(schema: JsonSchema): string | undefined {
  if (typeof schema.type === 'string') return schema.type;
  const value = valuesOf(schema)?.[0];
  return value === undefined ? undefined : value === null ? 'null' : typeof value;
}

function fits(narrow: string | undefined, wide: string | undefined): boolean {
  return wide === undefined || narrow === wide || (narrow === 'integer' && wide === 'number');
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
