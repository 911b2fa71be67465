import { Inject, Injectable } from '@nestjs/common';
import type { StartVerificationCommand } from '@signalbox/contracts';
import { onCommit, type Transaction, writeAll } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { KeyedHash } from '../keyed-hash.ts';
import { countSteps, repeats } from '../metrics.ts';
import { ServiceSids } from '../send/service-sids.ts';
import { type Drafted, draft, type RequestFault } from '../start/draft.ts';
import { note, type Step } from '../verification/verification.ts';
import {
  eventsWritten,
  findByKey,
  historyWritten,
  insertUnknown,
  naturalKey,
} from '../verification/verification.store.ts';

/** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
export type Acceptance =
  | { readonly result: 'new' | 'repeat' | 'conflict'; readonly verificationId: string }
  | { readonly result: 'faulty'; readonly fault: RequestFault };

/** Takes commands in for which nobody waits: each becomes a verification, whose code is sent as soon as may be. */
@Injectable()
export class Acceptor {
  constructor(
    @Inject(ServiceSids) private readonly services: ServiceSids,
    @Inject(KeyedHash) private readonly hash: KeyedHash,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
  ) {}

  /**
   * Answers each command in order; their tenants are known.
   * @throws ServiceNotLookedUp
   */
  async accept(tx: Transaction, commands: readonly StartVerificationCommand[]): Promise<Acceptance[]> {
    const now = new Date();
    const drafts = commands.map((command) => this.#draft(command, now));
    const steps = drafts.flatMap((drafted) =>
      drafted.ok ? note(drafted.step, { wants: 'asked', dueAt: now.toISOString() }) : [],
    );
    const inserted = await insertUnknown(tx, steps);
    const fresh = steps.filter(({ verification }) => inserted.has(verification.id));
    await writeAll(tx, [historyWritten(fresh), eventsWritten(fresh)]);
    const known = await findByKey(
      tx,
      steps.map(({ verification }) => verification),
    );
    const results = drafts.map((drafted): Acceptance => {
      if (!drafted.ok) return { result: 'faulty', fault: drafted.fault };
      return this.#resultOf(drafted.step, known.get(naturalKey(drafted.step.verification)));
    });
    onCommit(tx, () => {
      countSteps(fresh);
      for (const { result } of results) if (result === 'repeat' || result === 'conflict') repeats.inc({ result });
    });
    return results;
  }

  #draft(command: StartVerificationCommand, now: Date): Drafted {
    const tenant = this.tenants.byName(command.tenant);
    if (!tenant) throw new Error(`tenant ${command.tenant} is not in the tenant file`);
    const serviceSid = this.services.of(tenant, command);
    return draft(command, null, { tenant, hash: this.hash, now, serviceSid });
  }

  #resultOf({ verification }: Step, stored: { id: string; requestDigest: string } | undefined): Acceptance {
    if (!stored) throw new Error('an idempotency key was refused as known and then not found');
    if (stored.id === verification.id) return { result: 'new', verificationId: stored.id };
    const result = stored.requestDigest === verification.requestDigest ? 'repeat' : 'conflict';
    return { result, verificationId: stored.id };
  }
}
