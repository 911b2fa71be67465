import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Account } from '../accounts.ts';
import { Faults } from '../faults/faults.ts';
import { Timers } from '../timers.ts';
import { Webhooks } from '../webhooks/webhooks.ts';
import type { Email } from './emails.ts';
import type { PlannedEvent } from './event-plan.rules.ts';

/** SendGrid closes a batch every 30 s or at 768 kB; here at so many events or after so long. */
const BATCH_EVENTS = 500;
const BATCH_MS = 40;
/** Posts under way at once, as if from as many of SendGrid's servers. */
const POSTS = 4;
const RETRIES = 12;

type EventBody = Readonly<Record<string, unknown>>;

export interface EventCounters {
  /** Events that wait or are under way. */
  pending: number;
  batches: number;
  events: number;
  duplicated: number;
  reordered: number;
  dropped: number;
  /** Posts that were tried again. */
  retried: number;
  /** Batches given up. */
  failed: number;
}

/**
 * Posts what happens to emails in signed batches, with the callback faults of the plan: a batch that is not answered with 2xx
 * comes again, and then its events may have other ids; so may the copy of an event.
 */
@Injectable()
export class EmailEvents {
  #counters = noCounts();
  #queues = new Map<Account, EventBody[]>();
  #posting = 0;
  #generation = 0;

  constructor(
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly webhooks: Webhooks,
  ) {}

  get counters(): EventCounters {
    return { ...this.#counters };
  }

  tell(account: Account, email: Email, planned: PlannedEvent): void {
    if (!this.webhooks.canPostEvents(account)) return;
    if (this.faults.happens('drop')) {
      this.#counters.dropped++;
      return;
    }
    const event = eventOf(email, planned, this.faults.happens('withoutArgs'));
    if (this.faults.happens('duplicate')) {
      this.#counters.duplicated++;
      this.#later(account, this.faults.chance(0.5) ? withNewId(event) : event);
    }
    if (this.faults.happens('reorder')) {
      this.#counters.reordered++;
      this.#later(account, event);
    } else {
      this.#enqueue(account, event);
    }
  }

  clear(): void {
    this.#generation++;
    this.#counters = noCounts();
    this.#queues = new Map();
  }

  /** After the batch that closes next, so that others overtake it. */
  #later(account: Account, event: EventBody): void {
    this.#counters.pending++;
    this.timers.after(BATCH_MS * (1.5 + 3 * Math.random()), () => {
      this.#counters.pending--;
      this.#enqueue(account, event);
    });
  }

  #enqueue(account: Account, event: EventBody): void {
    this.#counters.pending++;
    const queue = this.#queues.get(account);
    if (queue) {
      queue.push(event);
    } else {
      this.#queues.set(account, [event]);
      this.timers.after(BATCH_MS, () => this.#flush(account));
    }
  }

  #flush(account: Account): void {
    const queue = this.#queues.get(account) ?? [];
    if (this.#posting >= POSTS) {
      this.timers.after(BATCH_MS / 4, () => this.#flush(account));
      return;
    }
    const batch = queue.splice(0, BATCH_EVENTS);
    if (queue.length === 0) this.#queues.delete(account);
    else this.timers.after(0, () => this.#flush(account));
    if (this.faults.plan.callbacks.reorder > 0) batch.sort(() => Math.random() - 0.5);
    void this.#post(account, batch);
  }

  async #post(account: Account, events: readonly EventBody[]): Promise<void> {
    const generation = this.#generation;
    this.#posting++;
    try {
      let batch = events;
      for (let attempt = 0; generation === this.#generation; attempt++) {
        const { status } = await this.webhooks.postEvents(account, batch);
        if (generation !== this.#generation) return;
        if (status >= 200 && status < 300) {
          this.#counters.batches++;
          this.#counters.events += batch.length;
          return;
        }
        if (attempt === RETRIES) {
          this.#counters.failed++;
          return;
        }
        this.#counters.retried++;
        batch = batch.map((event) => (this.faults.chance(0.5) ? withNewId(event) : event));
        await new Promise<void>((resolve) => setTimeout(resolve, Math.min(2_000, 100 * 2 ** attempt)).unref());
      }
    } finally {
      this.#posting--;
      if (generation === this.#generation) this.#counters.pending -= events.length;
    }
  }
}

/** Custom arguments stand beside SendGrid's own fields. */
function eventOf(email: Email, { event, fields, withoutMessageId }: PlannedEvent, withoutArgs: boolean): EventBody {
  const isDelivery = ['processed', 'deferred', 'delivered', 'bounce', 'dropped'].includes(event);
  return {
    ...(withoutArgs ? {} : email.customArgs),
    email: email.to,
    timestamp: Math.floor(Date.now() / 1000),
    event,
    ...(email.categories.length > 0 && { category: email.categories }),
    ...(isDelivery && { 'smtp-id': `<${email.messageId}@geopod-ismtpd-1>` }),
    sg_event_id: newEventId(),
    ...(withoutMessageId ? {} : { sg_message_id: email.sid }),
    ...(event === 'processed' && email.pool !== null && { pool: { name: email.pool, id: 1 } }),
    ...(email.groupId !== null && { asm_group_id: email.groupId }),
    ...fields,
  };
}

const withNewId = (event: EventBody): EventBody => ({ ...event, sg_event_id: newEventId() });
const newEventId = () => randomBytes(16).toString('base64url');

const noCounts = (): EventCounters => ({
  pending: 0,
  batches: 0,
  events: 0,
  duplicated: 0,
  reordered: 0,
  dropped: 0,
  retried: 0,
  failed: 0,
});
