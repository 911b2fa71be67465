import type { Failure, PlaceCallCommand } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { begin, type Call, type Step } from '../call/call.ts';
import { maxTwiml, spoken } from '../dispatch/spoken.rules.ts';

export interface AcceptanceContext {
  readonly id: string;
  readonly now: Date;
  readonly tenant: Tenant;
  readonly digest: string;
  /** Whether the tenant has the flow that the request names. */
  readonly hasFlow: boolean;
  /** W3C trace context of the request; without one the call id becomes the trace id, so either finds the other. */
  readonly traceparent: string | undefined;
}

/** Decides on a request: accepted and due, or rejected with the reason. Always yields a call, so that the caller always gets an event. */
export function accept(command: PlaceCallCommand, context: AcceptanceContext): Step {
  const at = context.now.toISOString();
  const recipient = recipientOf(command.to);
  const from = command.from ?? context.tenant.defaultSender ?? null;
  const call: Call = {
    id: context.id,
    tenant: command.tenant,
    idempotencyKey: command.idempotencyKey,
    requestDigest: context.digest,
    request: command,
    to: recipient ?? command.to,
    from: from === null ? null : (recipientOf(from) ?? from),
    lane: command.lane,
    traceparent: context.traceparent ?? traceOf(context.id),
    createdAt: at,
    state: 'accepted',
    sequence: 1,
    round: 0,
    providerSid: null,
    earlierSids: [],
    error: null,
    attempt: 0,
    dueAt: at,
    queue: '',
    checkAt: null,
    cancelRequested: false,
    answeredBy: null,
    durationSeconds: null,
    updatedAt: at,
  };
  const error = recipient === undefined ? invalidRecipient : faultOf(call, context);
  return begin(error ? { ...call, state: 'rejected', error, dueAt: null } : call);
}

/** As Twilio takes it: E.164, or the address of a SIP endpoint or client. */
export function recipientOf(written: string): string | undefined {
  if (/^(sip|sips|client):\S+$/.test(written)) return written;
  const number = toE164(written, 'voice');
  return number.ok ? number.e164 : undefined;
}

function faultOf(call: Call, { tenant, hasFlow }: AcceptanceContext): Failure | undefined {
  if (call.from === null) return noSender;
  if (!tenant.senders.includes(call.from)) return unknownSender;
  const { flow, say } = call.request;
  if (flow && !hasFlow) return unknownFlow;
  return say && spoken(say).length > maxTwiml ? tooLong : undefined;
}

function traceOf(id: string): string {
  const hex = id.replaceAll('-', '');
  return `00-${hex}-${hex.slice(16)}-01`;
}

const invalidRecipient: Failure = {
  code: 'invalid_recipient',
  class: 'terminal',
  title: 'The recipient is neither a phone number in E.164 nor a SIP or client address',
  remedy: 'Give the number with its country code, e.g. +14155550199',
};

const noSender: Failure = {
  code: 'no_sender',
  class: 'configuration',
  title: 'The request names no number to call from, and the tenant has no default one',
  remedy: 'Give `from`, or set defaultSender in the tenant file',
};

const unknownSender: Failure = {
  code: 'unknown_sender',
  class: 'configuration',
  title: 'The number to call from is not one of the tenant',
  remedy: 'Add it to senders in the tenant file, or call from one that is there',
};

const unknownFlow: Failure = {
  code: 'unknown_flow',
  class: 'configuration',
  title: 'The tenant has no flow of this name',
  remedy: 'Store it with PUT /v1/flows/:name before it is asked for',
};

const tooLong: Failure = {
  code: 'say_too_long',
  class: 'terminal',
  title: `The text makes a document of more than the ${maxTwiml} characters that a call may be given`,
  remedy: 'Shorten it, or put it into a flow',
};
