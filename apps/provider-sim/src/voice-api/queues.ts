import { newSid } from '../messages-api/sid.ts';
import type { DocumentSource } from './call.ts';

export interface Member {
  readonly callSid: string;
  readonly enqueuedAt: number;
  /** The caller hears the rest from there and is in the queue no more. */
  dequeue(how: { redirect: DocumentSource } | { bridge: Bridge }): void;
}

export interface Queue {
  readonly sid: string;
  readonly accountSid: string;
  friendlyName: string;
  maxSize: number;
  readonly createdAt: number;
  updatedAt: number;
  /** Who waits longest comes first. */
  readonly members: Member[];
}

/** Two calls that hear each other until one of them goes. */
export class Bridge {
  readonly #over = Promise.withResolvers<void>();
  /** Settles when one of them goes. */
  readonly over = this.#over.promise;

  /** @param greetingUrl what the caller hears before they are connected */
  constructor(readonly greetingUrl: string | null) {}

  end(): void {
    this.#over.resolve();
  }
}

const DEFAULT_SIZE = 1_000;

/** Queues of all accounts, oldest first, each with a name of its own within its account. */
export class Queues {
  #all: Queue[] = [];

  of(accountSid: string): Queue[] {
    return this.#all.filter((queue) => queue.accountSid === accountSid);
  }

  find(accountSid: string, sid: string): Queue | undefined {
    return this.of(accountSid).find((queue) => queue.sid === sid);
  }

  named(accountSid: string, friendlyName: string): Queue | undefined {
    return this.of(accountSid).find((queue) => queue.friendlyName === friendlyName);
  }

  create(accountSid: string, friendlyName: string, maxSize = DEFAULT_SIZE): Queue {
    const now = Date.now();
    const members: Member[] = [];
    const queue = { sid: newSid('QU'), accountSid, friendlyName, maxSize, createdAt: now, updatedAt: now, members };
    this.#all.push(queue);
    return queue;
  }

  leave(queue: Queue, member: Member): void {
    const at = queue.members.indexOf(member);
    if (at >= 0) queue.members.splice(at, 1);
  }

  remove(queue: Queue): void {
    this.#all = this.#all.filter((one) => one !== queue);
  }

  clear(): void {
    this.#all = [];
  }
}
