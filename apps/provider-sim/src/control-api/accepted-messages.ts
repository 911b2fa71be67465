import { setImmediate as breathe } from 'node:timers/promises';
import type { Message } from '../ledger.ts';

const CHUNK = 2_000;

/** The JSON list of what was accepted, in pieces: a hundred thousand messages must not hold up the creates meanwhile. */
export async function* acceptedMessages(messages: Iterable<Message>, limit: number): AsyncGenerator<string> {
  let text = '[';
  let count = 0;
  for (const message of messages) {
    if (message.direction === 'inbound') continue;
    if (count === limit) break;
    text += (count === 0 ? '\n' : ',\n') + JSON.stringify(acceptedMessage(message));
    count++;
    if (count % CHUNK === 0) {
      yield text;
      text = '';
      await breathe();
    }
  }
  yield `${text}\n]\n`;
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

const withoutCredentials = (url: string): string => url.replace(/^(\w+:\/\/)[^/?#]*@/, '$1');
