import type { EmailOutcome } from '../faults/fault-plan.ts';

export type EventName =
  | 'processed'
  | 'deferred'
  | 'delivered'
  | 'bounce'
  | 'dropped'
  | 'open'
  | 'click'
  | 'spamreport'
  | 'unsubscribe'
  | 'group_unsubscribe';

/** An event of an email: its name and the fields that only this kind has. */
export interface PlannedEvent {
  readonly event: EventName;
  readonly fields: Readonly<Record<string, unknown>>;
  /** SendGrid reports a bounce that comes after the delivery without its own id of the email. */
  readonly withoutMessageId?: true;
}

const browser = {
  useragent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15',
  ip: '192.0.2.44',
};
const mailServer = { ip: '192.0.2.25', tls: 1 };

const processed: PlannedEvent = { event: 'processed', fields: {} };
const delivered: PlannedEvent = { event: 'delivered', fields: { ...mailServer, response: '250 2.0.0 OK' } };

const deferred = (attempt: number): PlannedEvent => ({
  event: 'deferred',
  fields: { attempt: String(attempt), response: '421 4.7.0 Try again later' },
});

const hardBounce: PlannedEvent = {
  event: 'bounce',
  fields: {
    ...mailServer,
    type: 'bounce',
    status: '5.1.1',
    reason: '550 5.1.1 The email account that you tried to reach does not exist',
    bounce_classification: 'Invalid Address',
  },
};

const softBounce: PlannedEvent = {
  event: 'bounce',
  fields: {
    ...mailServer,
    type: 'bounce',
    status: '4.2.2',
    reason: '452 4.2.2 The mailbox is over quota',
    bounce_classification: 'Mailbox Unavailable',
  },
};

const blocked: PlannedEvent = {
  event: 'bounce',
  fields: {
    ...mailServer,
    type: 'blocked',
    status: '5.7.1',
    reason: '550 5.7.1 Message rejected due to its content',
    bounce_classification: 'Content',
  },
};

const open = (machine: boolean): PlannedEvent => ({
  event: 'open',
  fields: { ...browser, sg_machine_open: machine, sg_content_type: 'html' },
});

const click: PlannedEvent = {
  event: 'click',
  fields: { ...browser, url: 'https://example.com/orders/42', url_offset: { index: 0, type: 'html' } },
};

const { withoutMessageId } = { withoutMessageId: true } as const;

/** What an outcome looks like from outside. Source: SendGrid, "Event Webhook Reference". */
export function planEvents(outcome: EmailOutcome, groupId: number | null): PlannedEvent[] {
  switch (outcome) {
    case 'delivered':
      return [processed, delivered];
    case 'deferred':
      return [processed, deferred(1), deferred(2), delivered];
    case 'hard-bounce':
      return [processed, hardBounce];
    case 'soft-bounce':
      return [processed, deferred(1), softBounce];
    case 'blocked':
      return [processed, blocked];
    case 'late-bounce':
      return [processed, delivered, { ...hardBounce, withoutMessageId }];
    case 'dropped':
      return [dropped('Invalid')];
    case 'spam':
      return [processed, delivered, { event: 'spamreport', fields: {} }];
    case 'unsubscribe':
      return [processed, delivered, { event: 'unsubscribe', fields: {} }];
    case 'group-unsubscribe':
      return [processed, delivered, { event: 'group_unsubscribe', fields: { ...browser, asm_group_id: groupId ?? 1 } }];
    case 'open':
      return [processed, delivered, open(false)];
    case 'machine-open':
      return [processed, delivered, open(true)];
    case 'click':
      return [processed, delivered, open(false), click];
    case 'silent':
      return [];
  }
}

/** SendGrid took the email and then would not send it. */
export function dropped(reason: string): PlannedEvent {
  return { event: 'dropped', fields: { reason, status: '5.0.0' } };
}

/** What a recipient's address asks for: `hard-bounce+7@example.com`, `open@example.com`. */
export function outcomeOfAddress(email: string, outcomes: readonly EmailOutcome[]): EmailOutcome {
  const local = email.toLowerCase().split(/[@+]/, 1)[0];
  return outcomes.find((outcome) => outcome === local) ?? 'delivered';
}
