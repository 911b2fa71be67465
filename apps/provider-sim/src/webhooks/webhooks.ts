import { createHash } from 'node:crypto';
import { sign as signSendgrid, signatureHeaders } from '@signalbox/sendgrid';
import { ProblemException } from '@signalbox/service';
import { sign as signTwilio } from '@signalbox/twilio';
import { z } from 'zod';
import type { Account, Accounts } from '../accounts.ts';
import { newIdempotencyToken } from '../callbacks/callback-sender.ts';
import { newSid } from '../messages-api/sid.ts';
import { type Part, type Payload, type Webhook, type WebhookKind, webhooks } from './payloads.rules.ts';

/** What `POST /_sim/callbacks` takes: a callback of this kind is posted now. */
export const webhookRequest = z.strictObject({
  kind: z.enum(Object.keys(webhooks) as [WebhookKind, ...WebhookKind[]]),
  /** Default: the first account. */
  accountSid: z.string().optional(),
  /** Overrides and further fields: of the form, of each event, or of each event's data. */
  params: z.record(z.string(), z.json()).default({}),
});
export type WebhookRequest = z.output<typeof webhookRequest>;

/** What was posted, and what was answered. */
export interface WebhookAnswer {
  readonly kind: WebhookKind;
  readonly url: string;
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  readonly body: string;
  /** What its records are about, in the order of the events. */
  readonly resourceSids: readonly string[];
}

/** Callbacks of resources the simulator does not play, each signed as Twilio or SendGrid signs it. */
export class Webhooks {
  constructor(
    private readonly accounts: Accounts,
    /** Base URL of the edge. */
    private readonly callbacksUrl: string | undefined,
  ) {}

  /** @throws ProblemException when the account, its key or the URL is not configured */
  async post({ kind, accountSid, params }: WebhookRequest): Promise<WebhookAnswer> {
    const account = accountSid === undefined ? this.accounts.first : this.accounts.bySid(accountSid);
    if (!account) throw impossible(`There is no account ${accountSid}`);
    if (this.callbacksUrl === undefined) throw impossible('SIM_CALLBACKS_URL is not set');
    const webhook: Webhook = webhooks[kind];
    const payload = webhook.payload({
      accountSid: account.accountSid,
      sender: account.senders[0] ?? '+15005550006',
      now: new Date(),
      sid: newSid,
      params,
    });
    const url = this.callbacksUrl.replace(/\/+$/, '') + webhook.path.replace('{accountSid}', account.accountSid);
    const request = webhook.provider === 'twilio' ? twilio(url, payload, account) : sendgrid(url, payload, account);
    return { kind, url: request.url, ...(await answerOf(request)), resourceSids: webhook.subjects(payload) };
  }

  /** Whether there is somewhere to post SendGrid's events of the account to, and a key to sign them with. */
  canPostEvents({ sendgridPrivateKey }: Account): boolean {
    return this.callbacksUrl !== undefined && sendgridPrivateKey !== undefined;
  }

  /** One batch of SendGrid's Event Webhook; the answer is the edge's, with status 0 when there was none. */
  async postEvents(account: Account, events: readonly object[]): Promise<{ status: number; body: string }> {
    if (this.callbacksUrl === undefined) throw impossible('SIM_CALLBACKS_URL is not set');
    const url = `${this.callbacksUrl.replace(/\/+$/, '')}/sendgrid/events`;
    return answerOf(sendgrid(url, { events }, account));
  }
}

interface SignedRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function answerOf({ url, headers, body }: SignedRequest): Promise<{ status: number; body: string }> {
  try {
    const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(15_000) });
    return { status: answer.status, body: await answer.text() };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
}

function twilio(url: string, payload: Payload, { authToken }: Account): SignedRequest {
  const common = { 'user-agent': 'TwilioProxy/1.1', 'i-twilio-idempotency-token': newIdempotencyToken() };
  if ('form' in payload)
    return {
      url,
      headers: {
        ...common,
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        'x-twilio-signature': signTwilio({ authToken, url, params: payload.form }),
      },
      body: new URLSearchParams(payload.form).toString(),
    };
  const body = JSON.stringify('json' in payload ? payload.json : payload);
  const signed = `${url}?bodySHA256=${createHash('sha256').update(body).digest('hex')}`;
  return {
    url: signed,
    headers: {
      ...common,
      'content-type': 'application/json',
      'x-twilio-signature': signTwilio({ authToken, url: signed, json: body }),
    },
    body,
  };
}

const impossible = (why: string) => new ProblemException(400, 'Invalid request', why);

const boundary = 'xYzZY';

function sendgrid(url: string, payload: Payload, { sendgridPrivateKey }: Account): SignedRequest {
  if (sendgridPrivateKey === undefined) throw impossible('The account has no sendgridPrivateKey');
  const parts = 'parts' in payload ? payload.parts : undefined;
  const body = parts ? multipart(parts) : eventBatch('events' in payload ? payload.events : []);
  const timestamp = String(Math.floor(Date.now() / 1000));
  return {
    url,
    headers: {
      'user-agent': 'SendGrid Event API',
      'content-type': parts ? `multipart/form-data; boundary=${boundary}` : 'application/json',
      [signatureHeaders.timestamp]: timestamp,
      [signatureHeaders.signature]: signSendgrid({
        rawBody: Buffer.from(body),
        timestamp,
        privateKey: sendgridPrivateKey,
      }),
    },
    body,
  };
}

/** The bytes are what is signed, and these are SendGrid's: an event a line. */
const eventBatch = (events: readonly object[]) => `[${events.map((event) => JSON.stringify(event)).join(',\r\n')}]\r\n`;

const multipart = (parts: readonly Part[]) =>
  [
    ...parts.map(({ name, content, filename, type }) => {
      const file = filename === undefined ? '' : `; filename="${filename}"`;
      const typed = type === undefined ? '' : `Content-Type: ${type}\r\n`;
      return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n${typed}\r\n${content}\r\n`;
    }),
    `--${boundary}--\r\n`,
  ].join('');
