import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';

/** Calls remembered for each operation. */
const remembered = 64;

/**
 * How long the provider has taken lately: an answer that needs no call takes as long as one that does, so that its time tells
 * nothing.
 */
@Injectable()
export class Pace {
  readonly #times = { start: [150], check: [100] };

  note(operation: 'start' | 'check', ms: number): void {
    const times = this.#times[operation];
    times.push(ms);
    if (times.length > remembered) times.shift();
  }

  /** As long as one of those, whichever. */
  async keep(operation: 'start' | 'check'): Promise<void> {
    const times = this.#times[operation];
    await sleep(times[randomInt(times.length)] ?? 0);
  }
}
