import type { PlaceCallCommandInput, SendCommandInput, SendEmailCommandInput, SendRequest } from '@signalbox/contracts';
import { Duration } from 'luxon';
import { type Message, note, remark, type Step, unchanged } from '../message/message.ts';

type FallbackStep = SendRequest['fallback'][number];

/** A command that stands in for a message, on the topic of its channel. */
export type FallbackCommand =
  | { readonly channel: 'voice'; readonly to: string; readonly data: PlaceCallCommandInput }
  | { readonly channel: 'email'; readonly to: string; readonly data: SendEmailCommandInput }
  | { readonly channel: 'sms' | 'whatsapp'; readonly to: string; readonly data: SendCommandInput };

/** An ISO 8601 duration may be longer than there are dates. */
const endOfTime = Date.UTC(9999, 11, 31);

/** When the next step is taken if the message is not delivered by then; null when it waits for a failure. */
export function deadline(message: Pick<Message, 'fallback' | 'fallbackTaken'>, from: Date): string | null {
  const after = message.fallback[message.fallbackTaken]?.after;
  if (!after) return null;
  const wait = Math.max(0, Duration.fromISO(after).toMillis());
  return new Date(Math.min(from.getTime() + wait, endOfTime)).toISOString();
}

/** Takes the next step, whose time has come; the command's key is made of the message's, so it cannot be doubled. */
export function takeFallback(message: Message, now: Date): { step: Step; command: FallbackCommand | null } {
  const at = now.toISOString();
  const next = message.fallback[message.fallbackTaken];
  if (!next) return { step: note(unchanged(message), at, { fallbackAt: null }), command: null };
  const taken = { ...message, fallbackTaken: message.fallbackTaken + 1 };
  const step = note(unchanged(message), at, {
    fallbackTaken: taken.fallbackTaken,
    fallbackAt: deadline(taken, now),
  });
  const command = commandOf(message, next);
  const { idempotencyKey } = command.data;
  const detail = { channel: command.channel, idempotencyKey };
  return { step: remark(step, { at, kind: 'fallback', eventId: idempotencyKey, detail }), command };
}

function commandOf(message: Message, step: FallbackStep): FallbackCommand {
  const to = step.to ?? message.to.replace(/^whatsapp:/, '');
  const text = message.content.body ?? '';
  const common = {
    tenant: message.tenant,
    idempotencyKey: `${message.id}:fallback:${message.fallbackTaken + 1}`,
    to,
    lane: message.lane,
    correlationId: message.id,
    metadata: message.metadata,
  };
  switch (step.channel) {
    case 'voice':
      return { channel: 'voice', to, data: { ...common, say: text } };
    case 'email':
      return {
        channel: 'email',
        to,
        data: { ...common, subject: step.subject ?? firstLine(text), text, expiresAt: message.expiresAt },
      };
    case 'sms':
    case 'whatsapp': {
      const { correlationId: _ours, ...request } = common;
      return {
        channel: step.channel,
        to,
        // The same person, so the same quiet hours; whether they opted in on this channel too is not known.
        data: {
          ...request,
          channel: step.channel,
          body: text,
          expiresAt: message.expiresAt,
          timeZone: message.timeZone,
        },
      };
    }
  }
}

/** A subject of at most 78 characters, the length that RFC 5322 recommends for a line. */
function firstLine(text: string): string {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  return line.length <= 78 ? line : `${line.slice(0, 77).trimEnd()}…`;
}
