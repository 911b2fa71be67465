import type { Failure, SendgridEmailEvent } from '@signalbox/contracts';
import { failures } from '../email/failures.ts';

/** `hard`: never again; `soft`: perhaps later; `blocked`: not this content, or not from this sender. */
export type BounceKind = 'hard' | 'soft' | 'blocked';

/**
 * SendGrid's `type` tells a block from a bounce; that a bounce is for good, the enhanced status code tells (RFC 3463: 5 is
 * permanent, 4 is not). Without one a bounce counts as hard, as SendGrid itself lists it.
 * Source: SendGrid, "Event Webhook Reference", "Bounces".
 */
export function bounceKind({ params, errorCode }: Pick<SendgridEmailEvent, 'params' | 'errorCode'>): BounceKind {
  if (params['type'] === 'blocked') return 'blocked';
  const status = typeof params['status'] === 'string' ? params['status'] : '';
  const isPassing = /^4\./.test(status) || (status === '' && errorCode !== null && errorCode < 500);
  return isPassing ? 'soft' : 'hard';
}

/** What an event that ends an email without delivery means; undefined for any other. */
export function failureOf(event: Pick<SendgridEmailEvent, 'status' | 'params' | 'errorCode'>): Failure | undefined {
  if (event.status === 'bounce') return bounces[bounceKind(event)];
  if (event.status === 'dropped') return dropFailure(event.params['reason']);
  return undefined;
}

const bounces: Readonly<Record<BounceKind, Failure>> = {
  hard: failures.hardBounce,
  soft: failures.softBounce,
  blocked: failures.blocked,
};

function dropFailure(reason: unknown): Failure {
  switch (typeof reason === 'string' ? reason.trim().toLowerCase() : '') {
    case 'bounced address':
    case 'spam reporting address':
    case 'unsubscribed address':
      return failures.droppedSuppressed;
    case 'invalid':
      return failures.droppedInvalid;
    default:
      return failures.dropped;
  }
}
