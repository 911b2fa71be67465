import type { IHeaders, Message } from 'kafkajs';

/** Headers a dead-lettered record carries beside its own. */
export const deadLetterHeader = {
  reason: 'sb_dlq_reason',
  topic: 'sb_dlq_topic',
  partition: 'sb_dlq_partition',
  offset: 'sb_dlq_offset',
  attempts: 'sb_dlq_attempts',
  group: 'sb_dlq_group',
  /** RFC 3339, UTC. */
  time: 'sb_dlq_time',
} as const;

export const maxReasonLength = 500;

export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly group: string;
}

/** The record as it was, key, value and headers byte for byte, with why it stands here. */
export function deadLetter(
  original: { key: Buffer | null; value: Buffer | null; headers?: IHeaders },
  origin: Origin,
  why: { readonly reason: string; readonly attempts: number; readonly at: Date },
): Message {
  return {
    key: original.key,
    value: original.value,
    headers: {
      ...withoutNulls(original.headers),
      [deadLetterHeader.reason]: cut(why.reason),
      [deadLetterHeader.topic]: origin.topic,
      [deadLetterHeader.partition]: String(origin.partition),
      [deadLetterHeader.offset]: origin.offset,
      [deadLetterHeader.attempts]: String(why.attempts),
      [deadLetterHeader.group]: origin.group,
      [deadLetterHeader.time]: why.at.toISOString(),
    },
  };
}

/** kafkajs reads null header values but fails to write them; an empty value is the nearest there is. */
function withoutNulls(headers: IHeaders = {}): IHeaders {
  const orEmpty = (value: Buffer | string | null | undefined) => value ?? Buffer.alloc(0);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(orEmpty) : orEmpty(value)]),
  );
}

function cut(reason: string): string {
  return reason.length <= maxReasonLength ? reason : `${reason.slice(0, maxReasonLength - 1)}…`.toWellFormed();
}

/**
 * What a header may say of an error a handler threw. Messages of drivers and parsers quote the values they choke on
 * (a phone number, a body), so only the kind of error is told; the log line of the same attempt has the rest, masked.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'handler failed: not an Error';
  const code = (error as { code?: unknown }).code;
  return `handler failed: ${error.name}${typeof code === 'string' || typeof code === 'number' ? ` ${code}` : ''}`;
}

/** Kafka headers may repeat and hold any bytes; an event's attributes are the last string of their name. */
export function attributesOf(headers: IHeaders | undefined): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined && last !== null) attributes[name] = last.toString();
  }
  return attributes;
}
