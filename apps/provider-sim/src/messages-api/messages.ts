import { Injectable } from '@nestjs/common';
import type { Account } from '../accounts.ts';
import { Delivery } from '../delivery/delivery.ts';
import { Faults } from '../faults/faults.ts';
import { OptOuts } from '../inbound/opt-outs.ts';
import { Ledger, type Message, type MessageStatus } from '../ledger.ts';
import { type Form, type MessageRequest, readMessageRequest } from './message-request.rules.ts';
import { countSegments } from './segments.rules.ts';
import { newSid } from './sid.ts';
import { TwilioError } from './twilio-error.ts';

const finalStatuses: ReadonlySet<MessageStatus> = new Set([
  'delivered',
  'undelivered',
  'failed',
  'read',
  'canceled',
  'received',
]);

/** What can be done to messages through the REST API; a refusal is a TwilioError. */
@Injectable()
export class Messages {
  constructor(
    readonly ledger: Ledger,
    private readonly delivery: Delivery,
    private readonly optOuts: OptOuts,
    private readonly faults: Faults,
  ) {}

  /** Synchronous from the first check to the entry in the ledger, so nothing can come between. */
  create(account: Account, form: Form): Message {
    const reading = readMessageRequest(form, account, Date.now());
    if (!reading.ok)
      throw new TwilioError(reading.code, reading.detail === undefined ? {} : { detail: reading.detail });
    const { request } = reading;
    const refusal = this.faults.refusal(request.to);
    if (refusal) throw new TwilioError(refusal.code, refusal);
    if (this.optOuts.has(optOutScope(account, request), request.to))
      throw new TwilioError(21610, { detail: request.to });

    const message = accept(account, request, Date.now());
    this.ledger.add(message);
    this.delivery.start(message, request);
    return message;
  }

  find(account: Account, sid: string): Message {
    const message = this.ledger.find(account.accountSid, sid);
    if (!message) throw new TwilioError(20404);
    return message;
  }

  update(message: Message, form: Form): void {
    if (form.Status !== undefined) {
      if (form.Status !== 'canceled') throw new TwilioError(20001, { detail: 'Status' });
      if (message.status !== 'scheduled') throw new TwilioError(30409);
      this.delivery.cancel(message);
    }
    if (form.Body !== undefined) {
      if (form.Body !== '') throw new TwilioError(20001, { detail: 'Body' });
      if (!finalStatuses.has(message.status)) throw new TwilioError(20009);
      message.body = '';
      message.updatedAt = Date.now();
    }
  }

  remove(message: Message): void {
    if (!finalStatuses.has(message.status)) throw new TwilioError(20009);
    message.deleted = true;
  }
}

const optOutScope = (account: Account, { messagingServiceSid, from }: MessageRequest): string =>
  messagingServiceSid ?? account.serviceOf(from ?? '') ?? from ?? '';

function accept(account: Account, request: MessageRequest, now: number): Message {
  const { to, channel, from, messagingServiceSid, body, mediaUrls, contentSid, statusCallback, sendAt } = request;
  const viaService = messagingServiceSid !== null;
  return {
    sid: newSid(mediaUrls.length > 0 ? 'MM' : 'SM'),
    accountSid: account.accountSid,
    direction: 'outbound-api',
    channel,
    to,
    from,
    body,
    mediaUrls,
    contentSid,
    messagingServiceSid,
    statusCallback,
    status: sendAt !== null ? 'scheduled' : viaService ? 'accepted' : 'queued',
    errorCode: null,
    // A service has not chosen a sender yet, so Twilio does not know the encoding either.
    segments: viaService ? 0 : countSegments(body),
    createdAt: now,
    updatedAt: now,
    sentAt: null,
    deleted: false,
  };
}
