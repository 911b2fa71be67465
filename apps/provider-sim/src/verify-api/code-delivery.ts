import { Injectable } from '@nestjs/common';
import { Faults } from '../faults/faults.ts';
import { Timers } from '../timers.ts';
import type { VerifyChannel } from './verification-request.rules.ts';
import { VerifyEvents } from './verify-events.ts';
import type { Attempt, AttemptStatus } from './verify-ledger.ts';
import { VerifyPlay } from './verify-settings.ts';

/** Landline or unreachable carrier. */
const LANDLINE = 30006;

const ways: Readonly<Record<VerifyChannel, readonly AttemptStatus[]>> = {
  sms: ['sent', 'delivered'],
  whatsapp: ['sent', 'delivered', 'read'],
  call: ['in-progress', 'completed'],
  email: ['sent', 'delivered'],
};

/** Takes a code on its way; the attempts list sees each status, whatever becomes of its event. */
@Injectable()
export class CodeDelivery {
  constructor(
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly events: VerifyEvents,
    private readonly play: VerifyPlay,
  ) {}

  start(attempt: Attempt): void {
    this.#advance(attempt, this.#way(attempt), 0);
  }

  #way({ channel, verification: { to } }: Attempt): { status: AttemptStatus; errorCode: number | null }[] {
    const fault = this.faults.verifyDeliveryError(to, channel);
    const landline = channel === 'sms' && this.play.isLandline(to);
    const error = fault ?? (landline ? { code: LANDLINE, status: 'undelivered' as const } : undefined);
    if (!error) return ways[channel].map((status) => ({ status, errorCode: null }));
    if (channel === 'call') return [{ status: 'no-answer', errorCode: error.code }];
    return [
      { status: 'sent', errorCode: null },
      { status: error.status, errorCode: error.code },
    ];
  }

  #advance(attempt: Attempt, steps: { status: AttemptStatus; errorCode: number | null }[], at: number): void {
    const step = steps[at];
    if (!step) return;
    this.timers.after(this.faults.stepDelayMs(), () => {
      Object.assign(attempt, step, { updatedAt: Date.now() });
      this.events.announceMessage(attempt);
      this.#advance(attempt, steps, at + 1);
    });
  }
}
