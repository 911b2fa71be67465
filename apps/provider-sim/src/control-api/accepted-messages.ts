import type { Message } from '../ledger.ts';
import { jsonList } from './json-list.ts';

/** The JSON list of what was accepted for sending, in pieces. */
export function acceptedMessages(messages: Iterable<Message>, limit: number): AsyncGenerator<string> {
  return jsonList(outbound(messages), limit, acceptedMessage);
}

function* outbound(messages: Iterable<Message>): Generator<Message> {
  for (const message of messages) if (message.direction !== 'inbound') yield message;
}

function acceptedMessage(message: Message) {
  return {
    sid: message.sid,
    accountSid: message.accountSid,
    to: message.to,
    from: message.from,
    body: message.body,
    mediaUrls: message.mediaUrls,
    contentSid: message.contentSid,
    messagingServiceSid: message.messagingServiceSid,
    status: message.status,
    errorCode: message.errorCode,
    createdAt: new Date(message.createdAt).toISOString(),
    sentAt: message.sentAt === null ? null : new Date(message.sentAt).toISOString(),
    statusCallback: message.statusCallback === null ? null : withoutCredentials(message.statusCallback),
    deleted: message.deleted,
  };
}

export const withoutCredentials = (url: string): string => url.replace(/^(\w+:\/\/)[^/?#]*@/, '$1');
