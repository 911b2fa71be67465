import type { EmailReceived, SendgridEmailReceived } from '@signalbox/contracts';
import { readAddress } from '../email/address.rules.ts';
import { answeredIds, readHeaders } from './headers.rules.ts';
import { kindOf } from './kind.rules.ts';

/** An email as it was read from its callback: what it answers, and with it its topic, is found out later. */
export interface Inbound {
  /** What tells it from others: the id of its callback. */
  readonly occurrence: string;
  readonly traceparent: string | undefined;
  readonly received: EmailReceived;
  /** Message ids that it answers, without brackets, the nearest first. */
  readonly answers: readonly string[];
  /** The email of ours whose reply address it came to. */
  readonly answersToken: string | undefined;
}

export interface InboundContext {
  readonly id: string;
  readonly occurrence: string;
  readonly traceparent: string | undefined;
  readonly sanitise: (html: string) => { html: string; cut: boolean };
  /** The email of ours that an address names, if it is one of ours. */
  readonly emailOf: (address: string) => string | undefined;
}

export function readInbound(data: SendgridEmailReceived, context: InboundContext): Inbound {
  const { params } = data;
  const headers = readHeaders(params['headers'] ?? '');
  const author = readAddress(params['from'] ?? '');
  const html = data.html === null ? undefined : context.sanitise(data.html);
  const textBlob = params['sb_text_blob'] ?? null;
  const htmlBlob = params['sb_html_blob'] ?? null;
  const isToken = data.to.map(context.emailOf).find((id) => id !== undefined);
  return {
    occurrence: context.occurrence,
    traceparent: context.traceparent,
    answers: answeredIds(headers),
    answersToken: isToken,
    received: {
      tenant: data.tenant,
      inboundId: context.id,
      at: data.receivedAt,
      kind: kindOf(headers, data.from),
      from: author?.email ?? (data.from || (params['from'] ?? '')).slice(0, 320),
      fromName: author?.name ?? null,
      envelopeFrom: data.from,
      to: data.to,
      subject: data.subject,
      text: data.text,
      html: html?.html ?? null,
      cut: textBlob !== null || htmlBlob !== null || html?.cut === true,
      textBlob,
      htmlBlob,
      raw: data.raw,
      attachments: data.attachments,
      messageId: data.resourceSid.startsWith('<') ? data.resourceSid : null,
      spamScore: numberOf(params['spam_score']),
      spf: verdictOf(params['SPF']),
      dkim: readDkim(params['dkim']),
      topic: null,
      inReplyTo: null,
    },
  };
}

function numberOf(text: string | undefined): number | null {
  const number = text?.trim() ? Number(text) : NaN;
  return Number.isFinite(number) ? number : null;
}

function verdictOf(text: string | undefined): string | null {
  return text?.trim().toLowerCase().slice(0, 50) || null;
}

/** SendGrid writes `{@example.org : pass, @example.com : fail}`, which is no JSON; `none` without a signature. */
function readDkim(text = ''): EmailReceived['dkim'] {
  const pairs = text.slice(0, 5_000).matchAll(/@([^\s:,{}@]{1,255})\s*:\s*([\w()-]{1,50})/g);
  return [...pairs].map(([, domain = '', result = '']) => ({
    domain: domain.toLowerCase(),
    result: result.toLowerCase(),
  }));
}
