import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deadLetterRetentionMs, deadLetterTopic, type Topic } from '../../libs/contracts/src/index.ts';
import { exampleHeaders, exampleOf } from './asyncapi.ts';
import { type JsonSchema } from './json-schemas.ts';

const day = 24 * 60 * 60 * 1000;

/** A file of its own, so that it can be run. */
const example = readFileSync(join(import.meta.dirname, 'example.py'), 'utf8').trim();

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

## From any language

| to | command, on its topic | its state changes, on \`events.<domain>.v1\` | told apart by | ends |
| --- | --- | --- | --- | --- |
| send a message | \`messaging.send.v1\` on \`commands.messaging.v1\` | \`messaging.message.state-changed.v1\` | \`messageId\` | \`delivered\` (\`read\` may follow), \`undelivered\`, \`failed\`, \`rejected\`, \`canceled\`, \`expired\` |
| send an email | \`email.send.v1\` on \`commands.email.v1\` | \`email.email.state-changed.v1\` | \`emailId\` | \`delivered\` (\`bounced\`, \`complained\` may follow), \`bounced\`, \`dropped\`, \`complained\`, \`failed\`, \`rejected\`, \`canceled\`, \`expired\` |
| place a call | \`voice.place.v1\` on \`commands.voice.v1\` | \`voice.call.state-changed.v1\` | \`callId\` | \`completed\`, \`busy\`, \`no-answer\`, \`failed\`, \`canceled\`, \`rejected\` |
| start a verification | \`verify.start.v1\` on \`commands.verify.v1\` | \`verify.verification.state-changed.v1\` | \`verificationId\` | \`approved\`, \`denied\`, \`expired\`, \`canceled\`, \`failed\` |

A Node service has all of this in [@signalbox/client](../../libs/client/README.md).

**Send.** One record per request on the topic of its command:

| part | what it has to be |
| --- | --- |
| key | UTF-8, \`<tenant>:<to>\`, with \`to\` as the request has it (of a verification without \`to\` the \`subject\`); the same for a cancel, so that it comes after its send |
| value | JSON that fits the schema of its type, UTF-8, 1 MB at most |
| headers | UTF-8: \`ce_id\` (new for each record), \`ce_source\` (your service), \`ce_type\`; \`ce_specversion: 1.0\`, \`content-type\`, \`ce_time\` for others' tools; \`traceparent\` if you trace |
| partition | by murmur2 of the key, as Java and kafka-python do by default; with librdkafka (Go, .NET, Python's confluent-kafka) set \`partitioner=murmur2_random\`. Only the order of what is said under one key hangs on it, and only where several producers share it |
| producer | \`acks=all\`, idempotent; compression none, gzip, snappy, lz4 or zstd |

**Once.** A request is known by tenant and \`idempotencyKey\`, however often it is published and whatever its \`ce_id\`. So on
any error or time-out of the producer publish it again, as it was. Another request under a known key is not sent: over HTTP
the answer is 422, over Kafka it goes to the dead letters.

**When something is wrong** with a request you hear of it in one of two places:

| what | where |
| --- | --- |
| it fits the schema and cannot be done: not a phone number or address, a sender that is not yours, opted out, expired, … | an event, \`state: rejected\` or \`failed\`, with \`error.code\` and \`error.remedy\` |
| it breaks the contract: no JSON, a header or field missing or wrong, an unknown \`ce_type\` or tenant, a reused key; or too much of the tenant waits already | the topic's dead letters, e.g. \`commands.messaging.v1.dlq\`, with the reason in \`sb_dlq_reason\`; nothing was made of it, so **no event comes** |

Validate against the schema in your tests. Whoever runs Signalbox is alerted of dead letters and finds yours by \`ce_source\`; with
read access to the topic you can watch for them yourself. After the mistake is mended, publish it anew, under the same key
where it had one of its own. A request without any event has not been read (consumer lag) or stands there.

**Follow.** All events of a message, email, call or verification have its id as key, so they are in one partition, in order, and
the \`sequence\` of its state changes counts from 1. What you correlate by is \`idempotencyKey\` and \`metadata\`.

- Read with \`isolation_level=read_committed\`: Java and kafka-python do not by default, and would show you batches that were
  taken back and published again.
- Delivery is at least once: skip a state change whose \`sequence\` is not above the last one you have of that message, email, call or
  verification, and of any other type (\`messaging.message.received.v1\`, \`email.email.engaged.v1\`, …) a
  \`ce_id\` you have. Commit the offset after your own work.
- The topic carries the events of all tenants and of types to come: skip what is not yours or not known.

In Python, and much the same elsewhere:

\`\`\`python
${example}
\`\`\`

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
