import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { Account } from '../accounts.ts';
import { Accounts } from '../accounts.ts';
import { newIdempotencyToken } from '../callbacks/callback-sender.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { Ledger, type Message } from '../ledger.ts';
import { channelOf, numberOf } from '../messages-api/address.rules.ts';
import { API_VERSION } from '../messages-api/message-resource.ts';
import { countSegments } from '../messages-api/segments.rules.ts';
import { newSid } from '../messages-api/sid.ts';
import { keywordOf, type OptOutType } from './keywords.rules.ts';
import { OptOuts } from './opt-outs.ts';
import { WhatsAppSessions } from './whatsapp-sessions.ts';

/** A person texts in: what `POST /_sim/inbound` takes. */
export const inboundMessage = z.strictObject({
  from: z.string().min(1),
  to: z.string().min(1),
  body: z.string().default(''),
  channel: z.enum(['sms', 'mms', 'whatsapp']).optional(),
  mediaUrls: z.array(z.url()).max(10).default([]),
  /** As Advanced Opt-Out reports it; it counts above the keyword. */
  optOutType: z.enum(['STOP', 'START', 'HELP']).optional(),
  /** Further fields of the webhook, such as ButtonText. */
  params: z.record(z.string(), z.string()).default({}),
});
export type InboundMessage = z.output<typeof inboundMessage>;

/** Receives messages for the accounts' senders: keeps the opt-outs as Twilio does and calls the inbound webhook. */
@Injectable()
export class InboundMessages {
  constructor(
    private readonly accounts: Accounts,
    private readonly ledger: Ledger,
    private readonly optOuts: OptOuts,
    private readonly sessions: WhatsAppSessions,
    private readonly callbacks: StatusCallbacks,
  ) {}

  /** undefined when no account owns the number that is written to. */
  receive(inbound: InboundMessage): { sid: string; optOut: OptOutType | null; webhook: string | null } | undefined {
    const account = this.accounts.bySender(inbound.to);
    if (!account) return undefined;
    const message = record(inbound, account, Date.now());
    this.ledger.add(message);
    if (message.channel === 'whatsapp') this.sessions.open(message.from ?? '', message.createdAt);

    // The keyword filter is the carriers' world; on WhatsApp only Advanced Opt-Out listens.
    const optOut = inbound.optOutType ?? (message.channel === 'sms' ? keywordOf(inbound.body) : undefined);
    const scope = message.messagingServiceSid ?? message.to;
    if (optOut === 'STOP') this.optOuts.add(scope, message.from ?? '', message.createdAt);
    if (optOut === 'START') this.optOuts.remove(scope, message.from ?? '');

    if (account.inboundUrl !== undefined) {
      void this.callbacks.post({
        url: account.inboundUrl,
        form: inboundForm(message, inbound),
        authToken: account.authToken,
        token: newIdempotencyToken(),
      });
    }
    return { sid: message.sid, optOut: optOut ?? null, webhook: account.inboundUrl ?? null };
  }
}

function record(inbound: InboundMessage, account: Account, now: number): Message {
  const whatsapp = inbound.channel === 'whatsapp' || channelOf(inbound.from) === 'whatsapp';
  const address = (of: string) => (whatsapp ? `whatsapp:${numberOf(of)}` : of);
  return {
    sid: newSid(inbound.mediaUrls.length > 0 ? 'MM' : 'SM'),
    accountSid: account.accountSid,
    direction: 'inbound',
    channel: whatsapp ? 'whatsapp' : 'sms',
    to: address(inbound.to),
    from: address(inbound.from),
    body: inbound.body,
    mediaUrls: inbound.mediaUrls,
    contentSid: null,
    messagingServiceSid: account.serviceOf(inbound.to) ?? null,
    statusCallback: null,
    status: 'received',
    errorCode: null,
    segments: Math.max(1, countSegments(inbound.body)),
    createdAt: now,
    updatedAt: now,
    sentAt: now,
    deleted: false,
  };
}

function inboundForm(message: Message, { optOutType, params }: InboundMessage): Record<string, string> {
  const media: Record<string, string> = {};
  for (const [at, url] of message.mediaUrls.entries()) {
    media[`MediaContentType${at}`] = 'image/jpeg';
    media[`MediaUrl${at}`] = url;
  }
  return {
    ToCountry: 'US',
    ToState: '',
    ToCity: '',
    ToZip: '',
    FromCountry: 'US',
    FromState: '',
    FromCity: '',
    FromZip: '',
    SmsMessageSid: message.sid,
    SmsSid: message.sid,
    MessageSid: message.sid,
    NumMedia: String(message.mediaUrls.length),
    NumSegments: String(message.segments),
    SmsStatus: 'received',
    Body: message.body,
    To: message.to,
    From: message.from ?? '',
    AccountSid: message.accountSid,
    ApiVersion: API_VERSION,
    ...(message.messagingServiceSid === null ? {} : { MessagingServiceSid: message.messagingServiceSid }),
    ...(optOutType === undefined ? {} : { OptOutType: optOutType }),
    ...(message.channel === 'whatsapp'
      ? { WaId: numberOf(message.from ?? '').replace('+', ''), ProfileName: 'Somebody' }
      : {}),
    ...media,
    ...params,
  };
}
