import { Injectable } from '@nestjs/common';
import { Accounts } from '../accounts.ts';
import { Faults } from '../faults/faults.ts';
import type { Message } from '../ledger.ts';
import { CallbackSender, newIdempotencyToken } from './callback-sender.ts';
import type { Callback, Told } from './signed-posts.ts';
import { statusCallbackForm } from './status-callback.rules.ts';

/** Announces every status of a message but its first, with the callback faults of the plan. */
@Injectable()
export class StatusCallbacks {
  #counters = noCounts();
  /** Callbacks that wait to be overtaken by the next one of their subject. */
  #held = new WeakMap<object, Callback[]>();

  constructor(
    private readonly accounts: Accounts,
    private readonly sender: CallbackSender,
    private readonly faults: Faults,
  ) {}

  get counters() {
    return { ...this.#counters };
  }

  /** `isLast`: no status follows, so nothing can overtake this one. */
  announce(message: Message, isLast: boolean): void {
    const account = this.accounts.bySid(message.accountSid);
    if (message.statusCallback === null || !account) return;
    const form = statusCallbackForm(message);
    this.tell(message, { url: message.statusCallback, form, authToken: account.authToken }, isLast);
  }

  /** Posts what happened to `subject`, with the faults of the plan: callbacks of one subject overtake each other. */
  tell(subject: object, about: Told, isLast: boolean): void {
    const callback = { ...about, token: newIdempotencyToken() };
    if (this.faults.happens('drop')) {
      this.#counters.dropped++;
      if (isLast) void this.#release(subject);
    } else if (!isLast && this.faults.happens('reorder')) {
      this.#counters.reordered++;
      this.#held.set(subject, [...(this.#held.get(subject) ?? []), callback]);
    } else {
      void this.post(callback).then(() => this.#release(subject));
    }
  }

  /** Sends it, and at times once more. Settles when the first copy is delivered or given up. */
  post(callback: Callback): Promise<void> {
    const sent = this.sender.send(callback);
    if (this.faults.happens('duplicate')) {
      this.#counters.duplicated++;
      void this.sender.send(callback);
    }
    return sent;
  }

  clear(): void {
    this.#counters = noCounts();
    this.#held = new WeakMap();
  }

  /** The latest first: what was held longest comes last. */
  async #release(subject: object): Promise<void> {
    const held = this.#held.get(subject) ?? [];
    this.#held.delete(subject);
    for (const callback of held.toReversed()) await this.post(callback);
  }
}

const noCounts = () => ({ duplicated: 0, reordered: 0, dropped: 0 });
