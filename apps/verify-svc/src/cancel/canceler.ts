import { Inject, Injectable } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { onCommit, type Transact, writeAll } from '@signalbox/persistence';
import { DueWork } from '../due/due-work.ts';
import { Guard } from '../guard/guard.ts';
import { countSteps } from '../metrics.ts';
import { endingOf } from '../send/sender.ts';
import { move, unchanged, type Verification } from '../verification/verification.ts';
import { eventsWritten, historyWritten, lock, verificationsSaved } from '../verification/verification.store.ts';

/** Ends verifications that are no longer wanted: here at once, at Twilio as soon as it can be told. */
@Injectable()
export class Canceler {
  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(Guard) private readonly guard: Guard,
    @Inject(DueWork) private readonly due: DueWork,
  ) {}

  /** Undefined when this tenant has none with this id; one that has ended otherwise stays as it is. */
  async cancel(tenant: string, id: string): Promise<Verification | undefined> {
    const canceled = await this.transact(async (tx) => {
      const verification = (await lock(tx, [id])).get(id);
      if (verification?.tenant !== tenant) return undefined;
      const now = new Date();
      const at = now.toISOString();
      const isThere = verification.providerSid !== null;
      const step = move(unchanged(verification), 'canceled', at, isThere ? { toTell: 'canceled', dueAt: at } : {});
      const steps = step.changes.length > 0 ? [step] : [];
      this.guard.learn(
        tx,
        steps.flatMap((one) => endingOf(one, now)),
      );
      await writeAll(tx, [verificationsSaved(steps), historyWritten(steps), eventsWritten(steps)]);
      onCommit(tx, () => countSteps(steps));
      return step.verification;
    });
    if (canceled?.toTell) this.due.nudge();
    return canceled;
  }
}
