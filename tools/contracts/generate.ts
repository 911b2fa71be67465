import { flowDefinition, topics as all, type Topic } from '../../libs/contracts/src/index.ts';
import { asyncApi } from './asyncapi.ts';
import { indexPage } from './index-page.ts';
import { jsonSchemas, writtenSchema } from './json-schemas.ts';

/** Every generated file: path below `docs/contracts/` → content. */
export function generate(topics: readonly Topic[] = Object.values(all)): Map<string, string> {
  const schemas = jsonSchemas(topics);
  return new Map([
    ['README.md', indexPage(topics, schemas)],
    ['asyncapi.json', json(asyncApi(topics, schemas))],
    ['flow.schema.json', json(writtenSchema('flow.schema.json', flowDefinition))],
    ...[...schemas].map(([type, schema]): [string, string] => [`schemas/${type}.json`, json(schema)]),
  ]);
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
