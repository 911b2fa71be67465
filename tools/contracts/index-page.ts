import { deadLetterRetentionMs, deadLetterTopic, type Topic } from '../../libs/contracts/src/index.ts';
import { exampleHeaders, exampleOf } from './asyncapi.ts';
import { type JsonSchema } from './json-schemas.ts';

const day = 24 * 60 * 60 * 1000;

/** `docs/contracts/README.md`: what a product team reads before it looks into a schema. */
export function indexPage(topics: readonly Topic[], schemas: ReadonlyMap<string, JsonSchema>): string {
  return `# Contracts

Generated from \`libs/contracts\` by \`tools/contracts.ts\`: change the code, not these files. Machines read
[asyncapi.json](asyncapi.json) (AsyncAPI 3.0) and [schemas/](schemas/) (JSON Schema 2020-12, one file per type).

Records are CloudEvents 1.0 in Kafka's binary mode: the attributes are \`ce_*\` headers, the value is the JSON of the
data. \`ce_id\`, \`ce_source\` and \`ce_type\` are required; \`traceparent\` continues a W3C trace.

| topic | key | partitions | kept | types |
| --- | --- | --- | --- | --- |
${topics.map(topicRow).join('\n')}

Each has a dead-letter topic, \`${deadLetterTopic({ name: '<topic>' })}\`, with as many partitions, kept ${deadLetterRetentionMs / day} days: the record byte for
byte, and why it could not be handled in \`sb_dlq_*\` headers.

## What may change

Inside a version only additions, and \`tools/contracts.ts --check\` holds us to it:

- **Commands** (you write, we read): what was accepted stays accepted. No new required field, no narrower type, enum or
  limit.
- **Events and callbacks** (we write, you read): no field goes, becomes optional or \`null\`, or gets a wider type; no new
  value in an enum. Fields may be added: ignore what you do not know.
- **Topics**: no fewer partitions, no other key, no other cleanup policy.

Anything else gets a new version in the type's name, beside the old one.

## Types
${topics.flatMap((topic) => Object.keys(topic.messages).map((type) => typeSection(topic, type, schemas.get(type)))).join('')}`;
}

function topicRow({ name, key, partitions, cleanup, retentionMs, messages }: Topic): string {
  const kept = cleanup === 'compact' ? 'the latest per key' : `${retentionMs / day} days`;
  const types = Object.keys(messages).map((type) => `[\`${type}\`](#${anchor(type)})`);
  return `| \`${name}\` | ${key} | ${partitions} | ${kept} | ${types.join('<br>')} |`;
}

// GitHub drops the dots of a heading in its anchor.
const anchor = (heading: string) => heading.replaceAll('.', '');

function typeSection(topic: Topic, type: string, schema: JsonSchema | undefined): string {
  const headers = Object.entries(exampleHeaders(topic, type)).map(([name, value]) => `${name}: ${value}`);
  return `
### ${type}

${schema?.description ?? topic.summary}. On \`${topic.name}\`; [schema](schemas/${type}.json).

\`\`\`http
${headers.join('\n')}

${JSON.stringify(exampleOf(type), null, 2)}
\`\`\`
`;
}
