import type { Channel } from './messages-api/address.rules.ts';

export type MessageStatus =
  | 'accepted'
  | 'scheduled'
  | 'queued'
  | 'sent'
  | 'delivered'
  | 'undelivered'
  | 'failed'
  | 'read'
  | 'canceled'
  | 'received';

export interface Message {
  readonly sid: string;
  readonly accountSid: string;
  readonly direction: 'outbound-api' | 'inbound';
  readonly channel: Channel;
  readonly to: string;
  /** null until a messaging service has chosen the sender. */
  from: string | null;
  body: string;
  readonly mediaUrls: string[];
  readonly contentSid: string | null;
  readonly messagingServiceSid: string | null;
  /** As the caller gave it, connection overrides included. */
  readonly statusCallback: string | null;
  status: MessageStatus;
  errorCode: number | null;
  segments: number;
  /** Epoch milliseconds, as all times here. */
  readonly createdAt: number;
  updatedAt: number;
  sentAt: number | null;
  /** Gone for the REST API, but it was accepted: the ground truth keeps it. */
  deleted: boolean;
}

/** What every kind of accepted thing has. */
export interface Accepted {
  readonly sid: string;
  readonly accountSid: string;
  readonly to: string;
  deleted: boolean;
}

interface Entry<Kind> {
  message: Kind;
  /** Rank in the order of acceptance. */
  position: number;
}

/** What the provider accepted, in order, kept in memory: the ground truth for loss and duplicates. */
export class Ledger<Kind extends Accepted = Message> {
  #all: Entry<Kind>[] = [];
  #bySid = new Map<string, Entry<Kind>>();
  #byTo = new Map<string, Entry<Kind>[]>();

  add(message: Kind): void {
    if (this.#bySid.has(message.sid)) throw new Error(`${message.sid} is in the ledger already`);
    const entry = { message, position: this.#all.length };
    this.#all.push(entry);
    this.#bySid.set(message.sid, entry);
    const sameTo = this.#byTo.get(message.to);
    if (sameTo) sameTo.push(entry);
    else this.#byTo.set(message.to, [entry]);
  }

  /** The message as the account's REST API sees it. */
  find(accountSid: string, sid: string): Kind | undefined {
    const message = this.#bySid.get(sid)?.message;
    return message?.accountSid === accountSid && !message.deleted ? message : undefined;
  }

  /** Oldest first, those of every account and the deleted ones too. */
  *oldestFirst(to?: string): Generator<Kind> {
    const entries = this.#entries(to);
    const length = entries.length;
    for (let at = 0; at < length; at++) yield (entries[at] as Entry<Kind>).message;
  }

  /** Newest first, from the message before `olderThan` on. */
  *newestFirst(to?: string, olderThan?: string): Generator<Kind> {
    const entries = this.#entries(to);
    const from = olderThan === undefined ? entries.length : rankOf(entries, this.#positionOf(olderThan));
    for (let at = from - 1; at >= 0; at--) yield (entries[at] as Entry<Kind>).message;
  }

  /** Oldest first, from the message after `newerThan` on. */
  *newerThan(newerThan: string, to?: string): Generator<Kind> {
    const entries = this.#entries(to);
    for (let at = rankOf(entries, this.#positionOf(newerThan) + 1); at < entries.length; at++) {
      yield (entries[at] as Entry<Kind>).message;
    }
  }

  get size(): number {
    return this.#all.length;
  }

  clear(): void {
    this.#all = [];
    this.#bySid = new Map();
    this.#byTo = new Map();
  }

  #entries(to: string | undefined): Entry<Kind>[] {
    return to === undefined ? this.#all : (this.#byTo.get(to) ?? []);
  }

  #positionOf(sid: string): number {
    return this.#bySid.get(sid)?.position ?? 0;
  }
}

/** Index of the first entry at or after `position`: entries are in order of acceptance. */
function rankOf(entries: { position: number }[], position: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as { position: number }).position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
