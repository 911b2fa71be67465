import { Injectable } from '@nestjs/common';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { Faults } from '../faults/faults.ts';
import { Timers } from '../timers.ts';
import type { Call, CallSettings, CallStatus } from './call.ts';
import { Conferences } from './conferences.ts';
import { Documents } from './documents.ts';
import { Queues } from './queues.ts';
import { Recordings } from './recordings.ts';

/** Another leg that a Dial makes ring. */
export interface Leg {
  readonly call: Call;
  /** Settles when it is answered or not. */
  readonly answered: Promise<CallStatus>;
  /** Settles when the called party has hung up. */
  readonly talked: Promise<void>;
  end(status: CallStatus): void;
}

export type DialLeg = (
  parent: Call,
  to: string,
  from: string,
  settings: Pick<CallSettings, 'statusCallback' | 'statusCallbackEvents' | 'ringSeconds'>,
) => Leg;

/** What the calls share. */
@Injectable()
export class Stage {
  /** Set by who makes calls. */
  dialLeg: DialLeg | undefined;

  constructor(
    readonly documents: Documents,
    readonly recordings: Recordings,
    readonly conferences: Conferences,
    readonly queues: Queues,
    readonly timers: Timers,
    readonly faults: Faults,
    readonly callbacks: StatusCallbacks,
  ) {}

  /** Seconds of a call that pass in one second here. */
  get speed(): number {
    return this.faults.plan.calls.speed;
  }
}
