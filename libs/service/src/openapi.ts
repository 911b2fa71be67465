import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';

export interface OpenApiOptions {
  title: string;
  description?: string;
}

/** OpenAPI 3.1 of an application's controllers; the schemas are those their bodies are checked with. */
export function describeApi(
  app: INestApplication,
  { title, description }: OpenApiOptions,
  version: string,
): OpenAPIObject {
  const builder = new DocumentBuilder().setOpenAPIVersion('3.1.0').setTitle(title).setVersion(version).addBearerAuth({
    type: 'http',
    scheme: 'bearer',
    description: 'An API token of the tenant, or a JWT of an OIDC issuer that is configured for it',
  });
  if (description !== undefined) builder.setDescription(description);
  return SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.core.$ZodType ? toComponents(schema, schemaType) : undefined,
  });
}

/**
 * Schemas with an id become components. What a caller may leave out and what we always answer differ (defaults), so
 * the two readings of a schema get two names where they differ.
 */
function toComponents(schema: z.core.$ZodType, io: 'input' | 'output'): { schema: unknown; components: Definitions } {
  const { root, definitions } = toJsonSchema(schema, io);
  if (io === 'output') return { schema: root, components: definitions };
  const output = toJsonSchema(schema, 'output').definitions;
  const renamed = new Set(Object.keys(definitions).filter((id) => !sameJson(definitions[id], output[id])));
  const rename = (value: unknown): unknown => mapRefs(value, (id) => (renamed.has(id) ? `${id}Input` : id));
  return {
    schema: rename(root),
    components: Object.fromEntries(
      Object.entries(definitions).map(([id, value]) => [renamed.has(id) ? `${id}Input` : id, rename(value)]),
    ),
  };
}

type Definitions = Record<string, unknown>;

function toJsonSchema(schema: z.core.$ZodType, io: 'input' | 'output'): { root: unknown; definitions: Definitions } {
  const { $schema: _dialect, $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  const definitions: Definitions = Object.fromEntries(
    Object.entries($defs).map(([id, definition]) => [id, withoutId(definition)]),
  );
  if (typeof root.id !== 'string') return { root, definitions };
  definitions[root.id] = withoutId(root);
  return { root: { $ref: `#/$defs/${root.id}` }, definitions };
}

function withoutId({ id: _id, ...definition }: { id?: unknown }): unknown {
  return definition;
}

function mapRefs(value: unknown, rename: (id: string) => string): unknown {
  if (Array.isArray(value)) return value.map((inner) => mapRefs(inner, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string'
        ? inner.replace(/^#\/\$defs\/(.+)$/, (_match, id: string) => `#/$defs/${rename(id)}`)
        : mapRefs(inner, rename),
    ]),
  );
}

function sameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
