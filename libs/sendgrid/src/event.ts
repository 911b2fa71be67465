import { createHash } from 'node:crypto';
import type { CloudEvent, EventOf, SendgridEmailEvent, sendgridEventCallbacks } from '@signalbox/contracts';

export interface CallbackRecord<Event extends CloudEvent> {
  readonly key: string;
  readonly event: Event;
}

export type SendgridEventRecord = CallbackRecord<EventOf<typeof sendgridEventCallbacks>>;

export type EventFault = 'not_an_object' | 'no_event' | 'no_email' | 'bad_timestamp' | 'too_deep';

export type NormalisedEvent =
  { readonly ok: true; readonly record: SendgridEventRecord } | { readonly ok: false; readonly why: EventFault };

export interface ReceiptContext {
  readonly tenant: string;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
}

/** The custom argument email-svc gives every email, by which events find their message. */
export const messageIdArgument = 'sb_message_id';

export const source = '//signalbox/webhook-ingest';

/** What SendGrid documents has two levels (`url_offset`, `pool`, `newsletter`). */
const maxDepth = 16;

/** Events about an email; any other kind, such as `account_status_change`, may be without address and time. */
const emailEvents = new Set([
  'processed',
  'dropped',
  'deferred',
  'delivered',
  'bounce',
  'open',
  'click',
  'spamreport',
  'unsubscribe',
  'group_unsubscribe',
  'group_resubscribe',
]);

/**
 * One event of a batch. `blocked` is a `type` of the event `bounce`, and stays that. Custom arguments stand beside
 * SendGrid's own fields, where one of the same name hides the other; all of them are kept in `params`.
 * Source: SendGrid, "Event Webhook Reference".
 */
export function normaliseEvent(raw: unknown, { tenant, receivedAt }: ReceiptContext): NormalisedEvent {
  if (!isObject(raw)) return { ok: false, why: 'not_an_object' };
  if (isDeeper(raw, maxDepth)) return { ok: false, why: 'too_deep' };
  const status = raw['event'];
  if (typeof status !== 'string' || status === '') return { ok: false, why: 'no_event' };
  const email = text(raw['email']);
  const providerTime = toTime(raw['timestamp']);
  if (emailEvents.has(status)) {
    if (email === undefined) return { ok: false, why: 'no_email' };
    if (providerTime === null) return { ok: false, why: 'bad_timestamp' };
  }
  const resourceSid = text(raw['sg_message_id']) ?? '';
  const correlationId = toMessageId(raw[messageIdArgument]);
  const id = occurrence(tenant, raw);
  return {
    ok: true,
    record: {
      key: correlationId ?? (resourceSid || email || id),
      event: {
        id,
        source,
        type: 'sendgrid.email.event.v1',
        time: receivedAt,
        ...(resourceSid && { subject: resourceSid }),
        data: {
          tenant,
          resourceSid,
          correlationId,
          status,
          providerTime,
          receivedAt,
          errorCode: toErrorCode(status, raw),
          eventId: text(raw['sg_event_id']) ?? null,
          email: email ?? '',
          params: raw as SendgridEmailEvent['params'],
        },
      },
    },
  };
}

/** What tells one occurrence from another. */
const identifying = [
  'event',
  'email',
  messageIdArgument,
  'sg_message_id',
  'smtp-id', // an asynchronous bounce has no sg_message_id
  'timestamp',
  'type', // bounce or blocked
  'attempt', // of a deferral
  'url',
  'url_offset',
  'ip', // two people may open or click in the same second
  'useragent',
  'asm_group_id',
] as const;

/**
 * What happened, as an id. Not made of `sg_event_id`, although that is documented as unique: it changes when SendGrid sends
 * an event again (sendgrid-nodejs#1435) and is absent from some unsubscribes (sendgrid/docs#2862). Hashed, because an id is
 * logged and this one would name the recipient.
 */
function occurrence(tenant: string, raw: Readonly<Record<string, unknown>>): string {
  const facts = [tenant, ...identifying.map((name) => raw[name] ?? null)];
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url');
}

/** The SMTP reply code, where the text of the other server begins with one. */
function toErrorCode(status: string, raw: Readonly<Record<string, unknown>>): number | null {
  if (status === 'delivered') return null;
  const reply = text(raw['reason']) ?? text(raw['response']);
  const code = reply && /^[45]\d\d(?=[ -]|$)/.exec(reply)?.[0];
  return code ? Number(code) : null;
}

/** Unix seconds; some marketing events have milliseconds. */
function toTime(timestamp: unknown): string | null {
  const number = typeof timestamp === 'string' && /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : timestamp;
  if (typeof number !== 'number' || !(number > 0 && number < 1e14)) return null;
  return new Date(number < 1e11 ? number * 1000 : number).toISOString();
}

function toMessageId(value: unknown): string | null {
  return typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value) ? value : null;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without recursion as deep as the value, which a stack would not survive. */
function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true;
  return Object.values(value).some(
    (inner: unknown) => typeof inner === 'object' && inner !== null && isDeeper(inner, levels - 1),
  );
}
