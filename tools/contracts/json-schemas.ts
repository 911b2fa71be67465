import { z } from 'zod';
import { type Topic } from '../../libs/contracts/src/index.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Who reads what a topic carries decides what may change in it: commands are read by us, everything else by others. */
export type Audience = 'us' | 'others';

export function audienceOf(topicName: string): Audience {
  return topicName.startsWith('commands.') ? 'us' : 'others';
}

// Where a format says it already, zod's pattern only hides the field from a reader.
const selfExplaining = new Set(['date-time', 'duration', 'uuid']);

/**
 * JSON Schema 2020-12 of each CloudEvents type: what a publisher may write for commands (defaults optional), what a
 * consumer gets for the rest. Objects stay open, because fields are added inside a version.
 */
export function jsonSchemas(topics: readonly Topic[]): Map<string, JsonSchema> {
  const schemas = new Map<string, JsonSchema>();
  for (const topic of topics) {
    for (const [type, schema] of Object.entries(topic.messages)) {
      const io = audienceOf(topic.name) === 'us' ? 'input' : 'output';
      const { $schema, $defs, ...root } = z.toJSONSchema(schema, {
        io,
        override: ({ jsonSchema }) => tidy(jsonSchema),
      });
      schemas.set(type, { $schema, $id: `${type}.json`, title: type, ...inlineRoot(root, { ...$defs }) });
    }
  }
  return schemas;
}

/** Of a document that people write: closed, so that an editor marks a field that is misspelt. */
export function writtenSchema(id: string, schema: z.ZodType): JsonSchema {
  const { $schema, $defs, ...root } = z.toJSONSchema(schema, { io: 'input' });
  return { $schema, $id: id, ...inlineRoot(root, { ...$defs }) };
}

function tidy(schema: JsonSchema): void {
  if (schema.additionalProperties === false) delete schema.additionalProperties;
  if (schema.format && selfExplaining.has(schema.format)) delete schema.pattern;
  // JSON Schema has a keyword for encodings, and no format.
  if (schema.contentEncoding) delete schema.format;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

/** Zod moves a root that has an id into `$defs`; a reader expects the fields at the top. */
function inlineRoot(root: JsonSchema, defs: Record<string, JsonSchema>): JsonSchema {
  const name = root.$ref?.replace('#/$defs/', '');
  const inlined = name === undefined ? root : defs[name];
  if (name !== undefined) delete defs[name];
  return { ...inlined, ...(Object.keys(defs).length > 0 && { $defs: defs }) };
}
