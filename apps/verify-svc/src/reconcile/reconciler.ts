import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { failpoints, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { DueWork } from '../due/due-work.ts';
import { doubtsSettled } from '../metrics.ts';
import type { Attempt, SendOutcome } from '../send/attempt.ts';
import { claimedAttempts, doubtUnanswered, takeDoubtful } from '../send/attempt.store.ts';
import { VerifyProvider } from '../send/provider.ts';
import { Sender } from '../send/sender.ts';
import type { Verification } from '../verification/verification.ts';
import { isFinal } from '../verification/verification.state.ts';
import { find } from '../verification/verification.store.ts';
import { judgeDoubt } from './reconcile.rules.ts';

/** Attempts looked at in one pass. */
const perPass = 50;

/** Finds out what became of attempts whose answer is missing, and has them sent again only where Twilio has none. */
@Injectable()
export class Reconciler {
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(VerifyProvider) private readonly provider: VerifyProvider,
    @Inject(Sender) private readonly sender: Sender,
    @Inject(DueWork) private readonly due: DueWork,
    @Inject(CONFIG)
    private readonly config: Pick<VerifyConfig, 'RECONCILE_POLL_MS' | 'IN_DOUBT_SETTLE_MS' | 'PROVIDER_TIMEOUT_MS'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.#work = new Periodic('reconciliation', config.RECONCILE_POLL_MS, log, () => this.pass(new Date()));
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** True when there is more. */
  async pass(now: Date): Promise<boolean> {
    const later = (ms: number) => new Date(now.getTime() + ms);
    const { IN_DOUBT_SETTLE_MS, PROVIDER_TIMEOUT_MS, RECONCILE_POLL_MS } = this.config;
    const taken = await this.transact(async (tx) => {
      await doubtUnanswered(tx, now, later(IN_DOUBT_SETTLE_MS), perPass);
      // Long enough for the call, and for a pause when it fails.
      return takeDoubtful(tx, now, later(PROVIDER_TIMEOUT_MS + RECONCILE_POLL_MS * 5), perPass);
    });
    if (taken.length === 0) return false;
    const ids = [...new Set(taken.map(({ verificationId }) => verificationId))];
    const verifications = new Map((await this.transact((tx) => find(tx, ids))).map((one) => [one.id, one]));
    // One after the other: two attempts at one recipient must not both claim the one send that Twilio has.
    for (const attempt of taken) {
      const verification = verifications.get(attempt.verificationId);
      if (verification) await this.#settle(verification, attempt);
    }
    this.due.nudge();
    return taken.length === perPass;
  }

  async #settle(verification: Verification, attempt: Attempt): Promise<void> {
    const outcome = await this.#find(verification, attempt);
    if (!outcome) return;
    failpoints.reached('reconcile.searched');
    const { id: verificationId } = verification;
    await this.transact((tx) =>
      this.sender.settle(tx, [{ verificationId, number: attempt.number, outcome, code: null }]),
    );
    doubtsSettled.inc({ outcome: outcome.kind });
  }

  /** Undefined when nobody can tell now: the attempt stays in doubt, and is looked at again. */
  async #find(verification: Verification, attempt: Attempt): Promise<SendOutcome | undefined> {
    // A recipient that was erased can be neither asked for nor sent to.
    if (attempt.to === null) return { kind: 'not_taken' };
    // Once the time of the code is over Twilio would say that it has none, could it be asked.
    if (!this.provider.canAsk(verification)) return isFinal(verification.state) ? { kind: 'not_taken' } : undefined;
    try {
      const found = await this.provider.pendingFor(verification, attempt.to);
      const { tenant } = verification;
      const claimed = found ? await this.transact((tx) => claimedAttempts(tx, tenant, found.sid)) : new Set<string>();
      return judgeDoubt(attempt, found, claimed);
    } catch (err) {
      this.log.warn(
        { err, verificationId: verification.id },
        'an attempt in doubt cannot be looked up; it is tried again',
      );
      return undefined;
    }
  }
}
