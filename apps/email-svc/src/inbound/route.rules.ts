import type { EmailReceived } from '@signalbox/contracts';
import type { InboundRoute } from '@signalbox/tenants';

type Routed = Pick<EmailReceived, 'kind' | 'from' | 'to' | 'subject' | 'inReplyTo'>;

/** The topic of the first route that fits; null for none. */
export function topicOf(routes: readonly InboundRoute[], email: Routed): string | null {
  return routes.find((route) => isFor(route, email))?.topic ?? null;
}

function isFor({ recipient, sender, subject, kinds, reply }: InboundRoute, email: Routed): boolean {
  return (
    (recipient === undefined || email.to.some((address) => fits(recipient, address))) &&
    (sender === undefined || fits(sender, email.from)) &&
    (subject === undefined || fits(subject, email.subject ?? '')) &&
    (kinds === undefined || kinds.includes(email.kind)) &&
    (reply === undefined || reply === (email.inReplyTo !== null))
  );
}

/** Whether a text is as a pattern says, where * stands for anything. In time that grows with the text alone: a stranger wrote it. */
export function fits(pattern: string, text: string): boolean {
  const [head = '', ...rest] = pattern.toLowerCase().split('*');
  const lower = text.toLowerCase();
  const tail = rest.pop();
  if (tail === undefined) return lower === head;
  if (!lower.startsWith(head) || !lower.endsWith(tail) || lower.length < head.length + tail.length) return false;
  let at = head.length;
  for (const part of rest) {
    const found = lower.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= lower.length - tail.length;
}
