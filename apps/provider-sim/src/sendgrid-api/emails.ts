import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { emailOutcomes } from '../faults/fault-plan.ts';
import { Faults } from '../faults/faults.ts';
import { Timers } from '../timers.ts';
import { EmailEvents } from './email-events.ts';
import { dropped, outcomeOfAddress, type PlannedEvent, planEvents } from './event-plan.rules.ts';
import { type MailRequest, type Personalization, readMailRequest } from './mail-request.rules.ts';
import type { SendgridAccount } from './sendgrid-accounts.ts';
import { PayloadTooLarge, SendgridError, sendgridError } from './sendgrid-error.ts';

/** One email to one recipient, as it was accepted. */
export interface Email {
  /** `sg_message_id` of its events; begins with the `X-Message-Id` of the call. */
  readonly sid: string;
  readonly messageId: string;
  readonly accountSid: string;
  readonly to: string;
  readonly from: string;
  readonly replyTo: string | null;
  readonly subject: string;
  readonly body: string;
  readonly templateId: string | null;
  readonly customArgs: Readonly<Record<string, string>>;
  readonly categories: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly groupId: number | null;
  readonly pool: string | null;
  readonly attachments: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** The last event that says how far it got; `accepted` before the first, `never_sent` where there will be none. */
  status: string;
}

const statuses = new Set<string>(['processed', 'deferred', 'delivered', 'bounce', 'dropped', 'spamreport']);

/** What was accepted by mail/send, oldest first, and its way to the recipients. */
@Injectable()
export class Emails {
  #all: Email[] = [];
  #byTo = new Map<string, Email[]>();
  #sends = 0;

  constructor(
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly events: EmailEvents,
  ) {}

  /** Oldest first; those to one recipient, or all. */
  accepted(to?: string): readonly Email[] {
    return to === undefined ? this.#all : (this.#byTo.get(to) ?? []);
  }

  /** Accepted calls of mail/send. */
  get sends(): number {
    return this.#sends;
  }

  clear(): void {
    this.#all = [];
    this.#byTo = new Map();
    this.#sends = 0;
  }

  /** Synchronous from the checks to the entries in the ledger; returns the `X-Message-Id`. */
  send(sendgrid: SendgridAccount, body: unknown): { messageId: string; sandbox: boolean } {
    const answer = this.faults.mailAnswer();
    if (answer === 413) throw new PayloadTooLarge();
    if (answer === 403) throw sendgridError(403, 'access forbidden');
    const reading = readMailRequest(body, Date.now(), (id) => sendgrid.templates.active(id) !== undefined);
    if (!reading.ok) throw new SendgridError(400, reading.errors);
    const { request } = reading;
    const messageId = randomBytes(16).toString('base64url');
    if (request.sandbox) return { messageId, sandbox: true };
    this.#sends++;
    const server = `recvd-${randomBytes(5).toString('hex')}-1`;
    let number = 0;
    for (const personalization of request.personalizations) {
      for (const { email: to } of [...personalization.to, ...personalization.cc, ...personalization.bcc]) {
        const sid = `${messageId}.${server}-${Math.floor(Date.now() / 1000)
          .toString(16)
          .toUpperCase()}.${number++}`;
        this.#accept(sendgrid, request, personalization, { sid, messageId, to });
      }
    }
    return { messageId, sandbox: false };
  }

  #accept(
    sendgrid: SendgridAccount,
    request: MailRequest,
    { customArgs, subject, templateData, headers, sendAt }: Personalization,
    ids: Pick<Email, 'sid' | 'messageId' | 'to'>,
  ): void {
    const version = request.templateId === null ? undefined : sendgrid.templates.active(request.templateId);
    const email: Email = {
      ...ids,
      accountSid: sendgrid.account.accountSid,
      from: request.from.email,
      replyTo: request.replyTo?.email ?? null,
      subject: version ? fill(version.subject, templateData) : (subject ?? request.subject ?? ''),
      body: version
        ? fill(version.plain_content || version.html_content, templateData)
        : (request.content[0]?.value ?? ''),
      templateId: request.templateId,
      customArgs,
      categories: request.categories,
      headers,
      groupId: request.groupId,
      pool: request.pool,
      attachments: request.attachments.map(({ filename }) => filename),
      createdAt: Date.now(),
      status: 'accepted',
    };
    this.#all.push(email);
    const sameTo = this.#byTo.get(email.to);
    if (sameTo) sameTo.push(email);
    else this.#byTo.set(email.to, [email]);
    // SendGrid takes an email for a pool that is not there, never sends it, and tells nobody: sendgrid-python issue 1121.
    if (email.pool !== null && !sendgrid.pools.has(email.pool)) {
      email.status = 'never_sent';
      return;
    }
    this.timers.after(sendAt === null ? 0 : sendAt * 1000 - Date.now(), () => {
      const refusal = refusalOf(sendgrid, email, request.bypassUnsubscribes);
      const outcome = this.faults.emailOutcome(email.to) ?? outcomeOfAddress(email.to, emailOutcomes);
      this.#play(sendgrid, email, refusal ? [dropped(refusal)] : planEvents(outcome, email.groupId), 0);
    });
  }

  #play(sendgrid: SendgridAccount, email: Email, plan: readonly PlannedEvent[], at: number): void {
    const next = plan[at];
    if (!next) return;
    this.timers.after(this.faults.stepDelayMs(), () => {
      if (statuses.has(next.event)) email.status = next.event;
      list(sendgrid, email, next);
      this.events.tell(sendgrid.account, email, next);
      this.#play(sendgrid, email, plan, at + 1);
    });
  }
}

/** Why SendGrid would drop an email to this recipient. */
function refusalOf({ suppressions }: SendgridAccount, email: Email, bypassUnsubscribes: boolean): string | undefined {
  if (suppressions.entry('bounces', email.to)) return 'Bounced Address';
  if (suppressions.entry('spam_reports', email.to)) return 'Spam Reporting Address';
  if (suppressions.entry('invalid_emails', email.to)) return 'Invalid';
  if (bypassUnsubscribes) return undefined;
  if (suppressions.entry('unsubscribes', email.to)) return 'Unsubscribed Address';
  const left = email.groupId !== null && suppressions.members(email.groupId).has(email.to.toLowerCase());
  return left ? 'Unsubscribed Address' : undefined;
}

/** What SendGrid itself remembers of an event. */
function list({ suppressions }: SendgridAccount, { to }: Email, { event, fields }: PlannedEvent): void {
  const created = Math.floor(Date.now() / 1000);
  const said = { email: to, created, reason: textOf(fields['reason']), status: textOf(fields['status']) };
  const isHard = fields['type'] === 'bounce' && said.status.startsWith('5.');
  if (event === 'bounce') suppressions.add(isHard ? 'bounces' : 'blocks', said);
  if (event === 'spamreport') suppressions.add('spam_reports', { email: to, created });
  if (event === 'unsubscribe') suppressions.add('unsubscribes', { email: to, created });
  if (event === 'group_unsubscribe') suppressions.join(Number(fields['asm_group_id']), to, created);
}

/** Puts plain variables of a template in: enough to see which data an email was sent with. */
function fill(template: string, data: Readonly<Record<string, unknown>>): string {
  return template.replace(/{{{?\s*([\w.]+)\s*}}}?/g, (_whole, path: string) => {
    const value = path
      .split('.')
      .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], data);
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  });
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
