import { type EventFault, normaliseEvent, type ReceiptContext, type SendgridEventRecord } from './event.ts';
import { jsonArrayElements } from './json-array.ts';

export type BatchElement =
  | { readonly ok: true; readonly record: SendgridEventRecord }
  | {
      readonly ok: false;
      readonly why: EventFault | 'not_json' | 'too_large';
      /** The element as it came, for its dead letter. */
      readonly json: string;
    };

export type BatchFault = 'not_json' | 'not_an_array' | 'too_many_events';

export type EventBatch =
  { readonly ok: true; readonly elements: readonly BatchElement[] } | { readonly ok: false; readonly why: BatchFault };

/** SendGrid closes a batch at 768 kB. */
const maxEvents = 20_000;
/** UTF-16 units; with its head an event has to fit into a record of 1 MB. Custom arguments may have 10 kB. */
const maxEventLength = 256 * 1024;

/**
 * Reads a batch of the Event Webhook: a JSON array. An element that is malformed, even as JSON, is a fault of its own and
 * spoils no other. Never throws.
 */
export function parseEventBatch(rawBody: Uint8Array, context: ReceiptContext): EventBatch {
  // Not fatal: a wrong byte in the text of some mail server must not cost a batch.
  const body = new TextDecoder().decode(rawBody);
  const whole = parseJson(body);
  if (whole.ok && !Array.isArray(whole.value)) return { ok: false, why: 'not_an_array' };
  const parsed = whole.ok ? (whole.value as unknown[]) : undefined;
  if (parsed && parsed.length > maxEvents) return { ok: false, why: 'too_many_events' };

  const normalised = parsed?.map((value) => normaliseEvent(value, context));
  if (normalised && body.length <= maxEventLength && normalised.every((element) => element.ok))
    return { ok: true, elements: normalised };

  const sources = jsonArrayElements(body, maxEvents);
  if (!sources.ok) return sources;
  return {
    ok: true,
    elements: sources.elements.map((json, index): BatchElement => {
      if (json.length > maxEventLength) return { ok: false, why: 'too_large', json };
      const element = normalised?.[index] ?? parseElement(json, context);
      return element.ok ? element : { ...element, json };
    }),
  };
}

function parseElement(json: string, context: ReceiptContext) {
  const parsed = parseJson(json);
  return parsed.ok ? normaliseEvent(parsed.value, context) : ({ ok: false, why: 'not_json' } as const);
}

function parseJson(text: string): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}
