import type { Accounts } from '../accounts.ts';
import type { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { newSid } from '../messages-api/sid.ts';
import { messageEvent, verificationEvent } from './verify-events.rules.ts';
import type { Attempt, Verification } from './verify-ledger.ts';

/** Tells the sink of verifications and messages of the services that are subscribed, with the callback faults of the plan. */
export class VerifyEvents {
  /** A webhook sink of Event Streams. */
  readonly #sink: string | undefined;

  constructor(
    private readonly accounts: Accounts,
    private readonly callbacks: StatusCallbacks,
    /** Base URL of the edge. */
    callbacksUrl: string | undefined,
  ) {
    this.#sink = callbacksUrl && `${callbacksUrl.replace(/\/+$/, '')}/twilio/verify/events`;
  }

  announceVerification(verification: Verification): void {
    this.#announce(verification, verificationEvent(verification, new Date()), verification.status !== 'pending');
  }

  announceMessage(attempt: Attempt): void {
    const event = messageEvent(attempt, new Date());
    if (event) this.#announce(attempt.verification, event, false);
  }

  #announce(verification: Verification, event: object, isLast: boolean): void {
    const account = this.accounts.bySid(verification.accountSid);
    if (this.#sink === undefined || !account || !verification.service.verifyEventSubscriptionEnabled) return;
    const json = JSON.stringify([{ ...event, id: newSid('EZ') }]);
    this.callbacks.tell(verification, { url: this.#sink, json, authToken: account.authToken }, isLast);
  }
}
