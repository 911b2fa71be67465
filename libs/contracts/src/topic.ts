import { type z } from 'zod';
import type { CloudEvent, EventHeaders } from './cloud-event.ts';

export type Schemas = Readonly<Record<string, z.ZodType>>;

/** What producers, consumers, the topic job and the generated docs have to agree on. */
export interface Topic<Messages extends Schemas = Schemas> {
  readonly name: string;
  readonly summary: string;
  /** What the record key is, in words; records with one key stay in order. */
  readonly key: string;
  readonly partitions: number;
  /** Milliseconds; ignored when compacted. */
  readonly retentionMs: number;
  readonly cleanup: 'delete' | 'compact';
  /** CloudEvents type → schema of its data. */
  readonly messages: Messages;
}

export type EventOf<T extends Topic> = {
  [Type in keyof T['messages'] & string]: CloudEvent<z.output<T['messages'][Type]>, Type>;
}[keyof T['messages'] & string];

const day = 24 * 60 * 60 * 1000;

export function defineTopic<Messages extends Schemas>(
  topic: Pick<Topic<Messages>, 'name' | 'summary' | 'key' | 'messages'> & Partial<Topic<Messages>>,
): Topic<Messages> {
  return { partitions: 12, retentionMs: 7 * day, cleanup: 'delete', ...topic };
}

/** Where records go that could not be handled; they keep their key, value and headers, and say why in `sb_dlq_*` headers. */
export function deadLetterTopic(topic: Pick<Topic, 'name'>): string {
  return `${topic.name}.dlq`;
}

export const deadLetterRetentionMs = 30 * day;

export type Decoded<T extends Topic> =
  { readonly ok: true; readonly event: EventOf<T> } | { readonly ok: false; readonly reason: string };

const required = ['ce_id', 'ce_source', 'ce_type'] as const;

/**
 * Reads a record against its topic's contract. Never throws: what breaks the contract comes back as a reason, which
 * names fields and never repeats values, because a reason ends up in headers and logs.
 */
export function decode<T extends Topic>(topic: T, headers: EventHeaders, value: Buffer | string | null): Decoded<T> {
  const missing = required.filter((name) => !headers[name]);
  if (missing.length > 0) return { ok: false, reason: `missing header ${missing.join(', ')}` };
  const type = headers['ce_type'] ?? '';
  const schema = Object.hasOwn(topic.messages, type) ? topic.messages[type] : undefined;
  if (!schema) return { ok: false, reason: `unknown type for ${topic.name}: ${type.slice(0, 100)}` };
  let json: unknown;
  try {
    json = JSON.parse(value?.toString() ?? '');
  } catch {
    return { ok: false, reason: 'value is not JSON' };
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) return { ok: false, reason: describeIssues(parsed.error) };
  const event: CloudEvent = {
    id: headers['ce_id'] ?? '',
    source: headers['ce_source'] ?? '',
    type,
    time: headers['ce_time'] ?? new Date(0).toISOString(),
    ...(headers['ce_subject'] !== undefined && { subject: headers['ce_subject'] }),
    ...(headers['traceparent'] !== undefined && { traceparent: headers['traceparent'] }),
    ...(headers['tracestate'] !== undefined && { tracestate: headers['tracestate'] }),
    data: parsed.data,
  };
  return { ok: true, event: event as EventOf<T> };
}

/** `to: Invalid input: expected string, received undefined; lane: …`, at most ten. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 10)
    .map((issue) => `${issue.path.map(fieldName).join('.') || 'data'}: ${issue.message}`)
    .join('; ');
}

/** The key of a free-form record is the caller's data, maybe a phone number; only what looks like a field is named. */
function fieldName(segment: PropertyKey): string {
  const name = String(segment);
  return /^([A-Za-z_]\w{0,39}|\d{1,4})$/.test(name) ? name : '*';
}
