import { Injectable } from '@nestjs/common';
import { Accounts } from '../accounts.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { Faults } from '../faults/faults.ts';
import { WhatsAppSessions } from '../inbound/whatsapp-sessions.ts';
import type { Message } from '../ledger.ts';
import { inChannelOf } from '../messages-api/address.rules.ts';
import { countSegments } from '../messages-api/segments.rules.ts';
import { Timers } from '../timers.ts';
import { type DeliveryCase, planDelivery, readsMessages, senderFor, type Step } from './delivery-plan.rules.ts';

/** Takes an accepted message through its statuses; polling sees each, whatever becomes of its callback. */
@Injectable()
export class Delivery {
  constructor(
    private readonly accounts: Accounts,
    private readonly callbacks: StatusCallbacks,
    private readonly faults: Faults,
    private readonly sessions: WhatsAppSessions,
    private readonly timers: Timers,
  ) {}

  start(message: Message, { sendAt, validityMs }: { sendAt: number | null; validityMs: number }): void {
    const begin = () => {
      if (message.status === 'canceled') return;
      this.#advance(
        message,
        planDelivery(this.#caseOf(message, validityMs), () => this.faults.stepDelayMs()),
        0,
      );
    };
    if (sendAt === null) begin();
    else this.timers.after(sendAt - Date.now(), begin);
  }

  cancel(message: Message): void {
    this.#enter(message, 'canceled', null, true);
  }

  #caseOf(message: Message, validityMs: number): DeliveryCase {
    const fault = this.faults.deliveryError(message.to);
    const error = fault ?? (this.#isOutsideSession(message) ? { code: 63016, status: 'undelivered' as const } : null);
    return {
      channel: message.channel,
      viaService: message.messagingServiceSid !== null,
      outcome: error?.status ?? 'delivered',
      errorCode: error?.code ?? null,
      validityMs,
      reads: readsMessages(message.to),
    };
  }

  /** WhatsApp takes free text only within a day of the recipient's last message; templates always. */
  #isOutsideSession(message: Message): boolean {
    return (
      message.channel === 'whatsapp' && message.contentSid === null && !this.sessions.isOpen(message.to, Date.now())
    );
  }

  #advance(message: Message, steps: Step[], at: number): void {
    const step = steps[at];
    if (!step) return;
    this.timers.after(step.afterMs, () => {
      this.#enter(message, step.status, step.errorCode, at === steps.length - 1);
      this.#advance(message, steps, at + 1);
    });
  }

  #enter(message: Message, status: Message['status'], errorCode: number | null, isLast: boolean): void {
    const now = Date.now();
    message.status = status;
    message.errorCode = errorCode;
    message.updatedAt = now;
    if (status === 'sent') message.sentAt = now;
    if (status === 'queued') this.#chooseSender(message);
    this.callbacks.announce(message, isLast);
  }

  #chooseSender(message: Message): void {
    const pool = this.accounts.bySid(message.accountSid)?.messagingServices[message.messagingServiceSid ?? ''] ?? [];
    const sender = senderFor(message.to, pool);
    if (message.from === null && sender !== undefined) message.from = inChannelOf(message.to, sender);
    message.segments = countSegments(message.body);
  }
}
