import { Controller, Inject } from '@nestjs/common';
import { type EventOf, topics } from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { onCommit, type Transaction, writeAll } from '@signalbox/persistence';
import { DueWork } from '../due/due-work.ts';
import { Guard } from '../guard/guard.ts';
import { callbackOutcomes, countSteps } from '../metrics.ts';
import { type Attempt, isOpen } from '../send/attempt.ts';
import { attemptsOf, attemptsSaved, verificationsBySid } from '../send/attempt.store.ts';
import { endingOf, Sender } from '../send/sender.ts';
import { settle } from '../send/settle.rules.ts';
import type { Outcome } from '../send/sending.ts';
import { type Step, unchanged, type Verification } from '../verification/verification.ts';
import {
  eventKey,
  eventsWritten,
  type HistoryLine,
  historyWritten,
  knownEvents,
  lock,
  verificationsSaved,
} from '../verification/verification.store.ts';
import { advance, deliver, type ProviderReport, readReport, type ReportOutcome } from './progress.rules.ts';

type Callback = EventOf<typeof topics.twilioVerifyCallbacks>;

interface Match {
  readonly callback: Callback;
  readonly report: ProviderReport;
  readonly verification: Verification;
}

@Controller()
export class ProgressHandler {
  constructor(
    @Inject(Guard) private readonly guard: Guard,
    @Inject(Sender) private readonly sender: Sender,
    @Inject(DueWork) private readonly due: DueWork,
  ) {}

  @OnBatch(topics.twilioVerifyCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const callbacks = batch.map(({ event }) => event);
    const { matches, unmatched } = await match(tx, callbacks);
    const known = await knownEvents(
      tx,
      matches.map(({ callback, verification }) => ({ verificationId: verification.id, eventId: callback.id })),
    );
    const attempts = await attemptsOf(tx, [...new Set(matches.map(({ verification }) => verification.id))]);
    const progress = new Progress(attempts, this.sender, now);
    const outcomes: (ReportOutcome | 'repeated' | 'unmatched')[] = Array.from({ length: unmatched }, () => 'unmatched');
    const history: HistoryLine[] = [];
    for (const { callback, report, verification } of matches) {
      const key = eventKey(verification.id, callback.id);
      if (known.has(key)) {
        outcomes.push('repeated');
        continue;
      }
      known.add(key);
      const outcome = progress.apply(verification, report);
      outcomes.push(outcome);
      history.push(line(callback, report, verification.id, outcome));
    }
    const { steps, changed, learned } = progress;
    learned.push(...steps.flatMap((step) => endingOf(step, now)));
    if (learned.length > 0) this.guard.learn(tx, learned);
    await writeAll(tx, [
      verificationsSaved(steps),
      attemptsSaved(changed),
      historyWritten(steps, history),
      eventsWritten(steps),
    ]);
    onCommit(tx, () => {
      countSteps(steps);
      for (const outcome of outcomes) callbackOutcomes.inc({ outcome });
      if (steps.some(({ verification }) => verification.wants !== null)) this.due.nudge();
    });
  }
}

/** Which verifications each is about: those sent under its SID, and those its tags name, which may not know their SID yet. */
async function match(
  tx: Transaction,
  callbacks: readonly Callback[],
): Promise<{ matches: Match[]; unmatched: number }> {
  const reports = callbacks.flatMap((callback) => {
    const report = readReport(callback.data);
    return report ? { callback, report } : [];
  });
  const bySid = await verificationsBySid(
    tx,
    reports.map(({ report }) => report.sid),
  );
  const idsOf = ({ sid, attempts }: ProviderReport) => [
    ...new Set([...(bySid.get(sid) ?? []), ...attempts.flatMap(({ ours }) => ours?.verificationId ?? [])]),
  ];
  const locked = await lock(tx, [...new Set(reports.flatMap(({ report }) => idsOf(report)))]);
  let unmatched = callbacks.length - reports.length;
  const matches = reports.flatMap(({ callback, report }) => {
    const own = idsOf(report).flatMap((id) => {
      const verification = locked.get(id);
      // A signature vouches for its own tenant only.
      return verification?.tenant === callback.data.tenant ? [{ callback, report, verification }] : [];
    });
    if (own.length === 0) unmatched += 1;
    return own;
  });
  return { matches, unmatched };
}

/** What a batch does, report after report. */
class Progress {
  readonly learned: Outcome[] = [];
  readonly #steps = new Map<string, Step>();
  readonly #changed = new Map<string, Attempt>();

  constructor(
    private readonly attempts: ReadonlyMap<string, Attempt[]>,
    private readonly sender: Sender,
    private readonly now: Date,
  ) {}

  get steps(): Step[] {
    return [...this.#steps.values()];
  }

  get changed(): Attempt[] {
    return [...this.#changed.values()];
  }

  apply(verification: Verification, report: ProviderReport): ReportOutcome {
    const before = this.#steps.get(verification.id) ?? unchanged(verification);
    const settled = this.#settleNamed(before, report);
    const { step, outcome } =
      report.about === 'delivery' ? this.#deliver(settled, report) : advance(settled, report, this.now);
    this.#steps.set(verification.id, step);
    return outcome === 'ignored' && settled !== before ? 'applied' : outcome;
  }

  /** Attempts whose answer has not come yet: what the report says of them is the answer. */
  #settleNamed(step: Step, { attempts, sid }: ProviderReport): Step {
    return attempts.reduce((current, { ours, attemptSid }) => {
      if (ours?.verificationId !== step.verification.id) return current;
      const attempt = this.#all(step).find(({ number }) => number === ours.number);
      if (!attempt || !isOpen(attempt.state)) return current;
      const outcome = { kind: 'accepted', sid, attemptSid, createdAt: null, httpStatus: 201 } as const;
      const settled = settle(current, attempt, outcome, this.sender.contextOf(current, null, this.now));
      this.#change(settled.attempt);
      const { id: verificationId, tenant, recipientHash } = current.verification;
      this.learned.push(
        ...settled.learned.map((one) => ({ ...one, verificationId, tenant, recipientHash, at: this.now })),
      );
      return settled.step;
    }, step);
  }

  #deliver(step: Step, report: ProviderReport): { step: Step; outcome: ReportOutcome } {
    const [named] = report.attempts;
    const all = this.#all(step);
    const attempt = all.find(
      ({ attemptSid, number }) =>
        (attemptSid !== null && attemptSid === named?.attemptSid) ||
        (named?.ours?.verificationId === step.verification.id && named.ours.number === number),
    );
    if (!attempt) return { step, outcome: 'ignored' };
    const delivered = deliver(step, attempt, all, report, this.now);
    this.#change(delivered.attempt);
    return delivered;
  }

  #all({ verification }: Step): Attempt[] {
    const stored = this.attempts.get(verification.id) ?? [];
    return stored.map((attempt) => this.#changed.get(keyOf(attempt)) ?? attempt);
  }

  #change(attempt: Attempt): void {
    this.#changed.set(keyOf(attempt), attempt);
  }
}

const keyOf = ({ verificationId, number }: Attempt) => `${verificationId}.${number}`;

function line(
  { id, data }: Callback,
  { about, status, sid }: ProviderReport,
  verificationId: string,
  outcome: ReportOutcome,
): HistoryLine {
  return {
    verificationId,
    at: data.receivedAt,
    kind: 'callback',
    eventId: id,
    detail: { about, status, outcome, errorCode: data.errorCode, providerSid: sid },
  };
}
