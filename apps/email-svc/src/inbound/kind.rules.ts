import type { InboundEmailKind } from '@signalbox/contracts';
import { first, type Headers } from './headers.rules.ts';

/**
 * What kind of email it is, so that nobody answers a program. Sources: RFC 3464 (reports), RFC 3834 (Auto-Submitted), RFC 2919
 * (List-Id); Precedence, X-Autoreply and the like are what mail programs write that keep to none of them.
 */
export function kindOf(headers: Headers, envelopeFrom: string): InboundEmailKind {
  const contentType = value(headers, 'content-type');
  if (contentType.startsWith('multipart/report')) {
    return /report-type="?(?:disposition-notification|feedback-report)/.test(contentType) ? 'auto_reply' : 'bounce';
  }
  if (headers.has('x-failed-recipients') || /^mailer-daemon@/i.test(envelopeFrom)) return 'bounce';

  const submitted = value(headers, 'auto-submitted');
  if (submitted !== '' && submitted !== 'no') return 'auto_reply';
  const precedence = value(headers, 'precedence');
  if (precedence === 'auto_reply' || autoReplyHeaders.some((name) => headers.has(name))) return 'auto_reply';
  if (headers.has('list-id') || ['list', 'bulk', 'junk'].includes(precedence)) return 'list';
  // Only what must not be answered has no sender in SMTP.
  return envelopeFrom === '' ? 'bounce' : 'message';
}

const autoReplyHeaders = ['x-autoreply', 'x-autorespond', 'x-auto-reply-from'];

/** In lower case, without comments and parameters but for those of a content type. */
function value(headers: Headers, name: string): string {
  const text = (first(headers, name) ?? '').toLowerCase();
  return name === 'content-type' ? text : (text.split(/[;(]/, 1)[0] ?? '').trim();
}
