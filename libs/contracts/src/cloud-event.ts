/**
 * CloudEvents 1.0 in Kafka's binary mode: attributes are `ce_*` headers, the value is the JSON of `data`.
 * Source: CloudEvents 1.0.2, Kafka protocol binding §3.2; W3C Trace Context travels in `traceparent`.
 */
export interface CloudEvent<Data = unknown, Type extends string = string> {
  /** Unique together with `source`; a consumer that has seen it may skip the event. */
  readonly id: string;
  /** URI reference of the producer, e.g. `//signalbox/messaging-svc`. */
  readonly source: string;
  readonly type: Type;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly subject?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly data: Data;
}

export type EventHeaders = Record<string, string>;

const contextAttributes = ['id', 'source', 'type', 'time', 'subject'] as const;
const traceHeaders = ['traceparent', 'tracestate'] as const;

/** The Kafka headers of an event, without its data. */
export function toHeaders(event: CloudEvent): EventHeaders {
  const headers: EventHeaders = { ce_specversion: '1.0', 'content-type': 'application/json' };
  for (const name of contextAttributes) if (event[name] !== undefined) headers[`ce_${name}`] = event[name];
  for (const name of traceHeaders) if (event[name] !== undefined) headers[name] = event[name];
  return headers;
}
