import { isDeepStrictEqual } from 'node:util';
import type { InDoubtPolicy } from '@signalbox/tenants';
import { Duration } from 'luxon';
import type { Attempt, Attempted } from '@signalbox/outbound';
import type { ListedMessage } from '../dispatch/listed-message.ts';
import type { Message } from '../message/message.ts';

/** Another message to the same recipient of which it is not known either whether the provider took it. */
export type Rival = Attempted<Message>;

/** Twilio's list has whole seconds, and clocks differ a little. */
const clockToleranceMs = 5_000;

export type Verdict =
  | { readonly kind: 'taken'; readonly listed: ListedMessage }
  | { readonly kind: 'not_taken' }
  /** What the list has may be this message or a rival, which says something else. */
  | { readonly kind: 'ambiguous' };

/**
 * Looks for the message of an attempt in doubt among what the provider has for its recipient. Twilio has no
 * idempotency key, so a match is: same recipient, sender and text, made since the attempt began, and claimed by no
 * other attempt of ours. The oldest such match wins, so that several in doubt are given distinct ones in turn. A match
 * that is not for certain (a template is rendered by the provider) must not be a rival's.
 */
export function judge(
  message: Message,
  attempt: Attempt,
  listed: readonly ListedMessage[],
  claimed: ReadonlySet<string>,
  rivals: readonly Rival[],
): Verdict {
  const matches = listed
    .filter((candidate) => !claimed.has(candidate.sid) && likeness({ item: message, attempt }, candidate) !== 'none')
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const exact = matches.find((candidate) => likeness({ item: message, attempt }, candidate) === 'exact');
  if (exact) return { kind: 'taken', listed: exact };

  // Which of two equal messages gets which match makes no difference to the recipient.
  const others = rivals.filter((rival) => !isDeepStrictEqual(rival.item.content, message.content));
  const like = (kind: Likeness) => (candidate: ListedMessage) =>
    others.some((rival) => likeness(rival, candidate) === kind);
  const left = matches.filter((candidate) => !like('exact')(candidate));
  const ours = left.find((candidate) => !like('loose')(candidate));
  if (ours) return { kind: 'taken', listed: ours };
  return { kind: left.length > 0 ? 'ambiguous' : 'not_taken' };
}

/** How far back the list has to be read for an attempt. */
export function searchSince(attempt: Pick<Attempt, 'startedAt'>): Date {
  return new Date(Date.parse(attempt.startedAt) - clockToleranceMs);
}

/** Whether the tenant wants a message sent again that could not be settled since then. */
export function isResendDue(policy: InDoubtPolicy | undefined, since: Date, now: Date): boolean {
  if (policy?.policy !== 'resend') return false;
  return now.getTime() - since.getTime() >= Duration.fromISO(policy.after).toMillis();
}

/** `loose`: nothing speaks against it, but the text is not ours to compare, or only the end of it is the same. */
type Likeness = 'exact' | 'loose' | 'none';

function likeness({ item: message, attempt }: Rival, candidate: ListedMessage): Likeness {
  if (candidate.to !== message.to || candidate.createdAt < searchSince(attempt)) return 'none';
  if (message.messagingServiceSid !== null) {
    if (candidate.messagingServiceSid !== message.messagingServiceSid) return 'none';
  } else if (candidate.from !== message.from) return 'none';
  const { body, contentSid } = message.content;
  // A content template is rendered by the provider.
  if (contentSid !== null) return 'loose';
  if (body !== null && candidate.body === body) return 'exact';
  const [ours, theirs] = [letters(body ?? ''), letters(candidate.body)];
  if (ours !== '' && theirs === ours) return 'exact';
  return theirs.endsWith(ours) ? 'loose' : 'none';
}

/** Twilio may swap punctuation (smart encoding) and put a notice in front (trial accounts); letters and digits stay. */
function letters(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}
