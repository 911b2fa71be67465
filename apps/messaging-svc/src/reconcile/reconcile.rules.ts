import type { Message } from '../message/message.ts';
import type { Attempt } from '../dispatch/attempt.ts';

/** A message of the provider's list, with what is needed to recognise it. */
export interface ListedMessage {
  readonly sid: string;
  readonly to: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  readonly body: string;
  readonly status: string;
  readonly createdAt: Date;
}

/** Twilio's list has whole seconds, and clocks differ a little. */
const clockToleranceMs = 5_000;

export type Verdict = { readonly kind: 'taken'; readonly listed: ListedMessage } | { readonly kind: 'not_taken' };

/**
 * Looks for the message of an attempt in doubt among what the provider has for its recipient. Twilio has no
 * idempotency key, so a match is: same recipient, sender and text, made since the attempt began, and claimed by no
 * other attempt of ours. The oldest such match wins, so that several in doubt are given distinct ones in turn.
 */
export function judge(
  message: Message,
  attempt: Attempt,
  listed: readonly ListedMessage[],
  claimed: ReadonlySet<string>,
): Verdict {
  const since = Date.parse(attempt.startedAt) - clockToleranceMs;
  const matches = listed
    .filter((candidate) => candidate.createdAt.getTime() >= since)
    .filter((candidate) => !claimed.has(candidate.sid) && isSame(message, candidate))
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  return matches[0] ? { kind: 'taken', listed: matches[0] } : { kind: 'not_taken' };
}

/** How far back the list has to be read for an attempt. */
export function searchSince(attempt: Pick<Attempt, 'startedAt'>): Date {
  return new Date(Date.parse(attempt.startedAt) - clockToleranceMs);
}

function isSame(message: Message, candidate: ListedMessage): boolean {
  if (candidate.to !== message.to) return false;
  if (message.messagingServiceSid !== null) {
    if (candidate.messagingServiceSid !== message.messagingServiceSid) return false;
  } else if (candidate.from !== message.from) return false;
  // A content template is rendered by the provider, so its text is not ours to compare.
  if (message.content.contentSid !== null) return true;
  return letters(candidate.body).endsWith(letters(message.content.body ?? ''));
}

/** Twilio may swap punctuation (smart encoding) and put a notice in front (trial accounts); letters and digits stay. */
function letters(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}
