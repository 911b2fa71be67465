import { Inject, Injectable } from '@nestjs/common';
import type { StartVerificationCommand, VerifyChannel } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { failpoints, isTransient, type Transact, transactor } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { replan } from '../channels/plan.rules.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { Opener, type Opened, type Want } from '../send/opener.ts';
import { Pace } from '../send/pace.ts';
import { VerifyProvider } from '../send/provider.ts';
import { Sender } from '../send/sender.ts';
import { find, isKeyTaken } from '../verification/verification.store.ts';
import type { PlannedChannel, Verification } from '../verification/verification.ts';
import { draft, type OwnCode, type RequestFault } from './draft.ts';

/** What a user who waits is told. */
export type StartAnswer =
  | { readonly result: 'started' | 'repeat'; readonly verification: Verification; readonly nextSendAt: Date | null }
  | { readonly result: 'conflict' | 'ended'; readonly verification: Verification }
  | Extract<Opened, { result: 'limited' }>
  | { readonly result: 'faulty'; readonly fault: RequestFault }
  | { readonly result: 'unknown_id' };

export interface ResendAsked {
  readonly id: string;
  /** Null for the one in use; `next`: what the plan has next. */
  readonly channel: Exclude<VerifyChannel, 'totp'> | 'next' | null;
  /** The caller's own code once more, where it is theirs. */
  readonly code: string | null;
}

/** Starts verifications for a user who waits: commits what is to be sent, sends it, and answers what came of it. */
@Injectable()
export class Starter {
  /**
   * Requests that arrive while a commit is under way share the next one, and its locks. One at a time: all starts of a tenant
   * take from one window, so a second would only wait for the first.
   */
  readonly #wants: GroupCommit<Want, Opened>;

  /**
   * Wakes no relay: while a user waits, publishing would only take the processor from the call. The commit of the answer
   * wakes it, and it looks by itself ten times a second.
   */
  readonly #openIn: Transact;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(Opener) private readonly opener: Opener,
    @Inject(Sender) private readonly sender: Sender,
    @Inject(VerifyProvider) private readonly provider: VerifyProvider,
    @Inject(Pace) private readonly pace: Pace,
    @Inject(KeyedHash) private readonly hash: KeyedHash,
  ) {
    this.#openIn = transactor(db);
    this.#wants = new GroupCommit((wants) => this.#open(wants), { maxItems: 200, maxPending: 20_000 });
  }

  async start(tenant: Tenant, command: StartVerificationCommand, ownCode: OwnCode | null): Promise<StartAnswer> {
    const serviceSid = await this.provider.serviceSid(tenant, command);
    const drafted = draft(command, ownCode, { tenant, hash: this.hash, now: new Date(), serviceSid });
    if (!drafted.ok) return { result: 'faulty', fault: drafted.fault };
    return this.#send({ kind: 'new', draft: drafted.step, code: ownCode?.value ?? null });
  }

  /** Another code for a verification that is there, on the same channel or another. */
  async resend(tenant: string, asked: ResendAsked): Promise<StartAnswer> {
    const [known] = await this.transact((tx) => find(tx, [asked.id]));
    if (known?.tenant !== tenant) return { result: 'unknown_id' };
    const fault = faultOfResend(known, asked);
    if (fault) return { result: 'faulty', fault };
    const revise = (locked: Verification) => ({ ...locked, ...replanned(locked, asked) });
    return this.#send({ kind: 'more', known, why: 'asked_again', code: asked.code, revise });
  }

  async #send(want: Want): Promise<StartAnswer> {
    const opened = await this.#wants.add(want);
    switch (opened.result) {
      case 'opened': {
        failpoints.reached('start.opened');
        const verification = await this.sender.send(opened);
        return { result: 'started', verification, nextSendAt: opened.nextSendAt };
      }
      case 'held':
        if (opened.verification.serviceSid !== null) await this.pace.keep('start');
        return { result: 'started', verification: opened.verification, nextSendAt: opened.nextSendAt };
      case 'repeat':
        return { result: 'repeat', verification: opened.verification, nextSendAt: null };
      case 'unwanted':
        return { result: 'unknown_id' };
      case 'conflict':
      case 'ended':
        return { result: opened.result, verification: opened.verification };
      case 'limited':
        return opened;
    }
  }

  async #open(wants: Want[]): Promise<(Opened | Error)[]> {
    try {
      return await this.#openSeeing(wants);
    } catch (error) {
      if (wants.length === 1 || isTransient(error)) throw error;
      // One that cannot be stored fails alone.
      const each: (Opened | Error)[] = [];
      for (const want of wants) each.push(await this.#openAlone(want));
      return each;
    }
  }

  async #openAlone(want: Want): Promise<Opened | Error> {
    try {
      const [opened] = await this.#openSeeing([want]);
      return opened ?? new Error('a want was not answered');
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Once more when another transaction was first with one of the keys, which this one saw too late: now it is seen. */
  async #openSeeing(wants: readonly Want[]): Promise<Opened[]> {
    const open = () => this.#openIn((tx) => this.opener.open(tx, wants));
    try {
      return await open();
    } catch (error) {
      if (!isKeyTaken(error)) throw error;
    }
    return open();
  }
}

function faultOfResend(known: Verification, { channel, code }: ResendAsked): RequestFault | null {
  if (known.serviceSid === null) return { field: 'channel', detail: 'an authenticator shows its code by itself' };
  if (known.request.code === 'callers' && code === null)
    return { field: 'code', detail: 'your own code is not kept: give it again' };
  if (known.request.code !== 'callers' && code !== null)
    return { field: 'code', detail: 'this verification was not started with a code of yours' };
  if (channel !== null && channel !== 'next' && addressFor(known, channel) === null)
    return { field: 'channel', detail: 'there is no address for it' };
  const isAtEnd = channel === 'next' && known.position + 1 >= known.plan.length;
  return isAtEnd ? { field: 'channel', detail: 'there is no next channel' } : null;
}

function replanned(
  { plan, position, ...verification }: Verification,
  { channel }: ResendAsked,
): Pick<Verification, 'plan' | 'position'> {
  if (channel === null) return { plan, position };
  const next = plan[position + 1];
  if (channel === 'next') return next ? { plan, position: position + 1 } : { plan, position };
  const to = addressFor({ ...verification, plan }, channel);
  const wanted: PlannedChannel = { channel, to };
  return replan(plan, position, wanted);
}

/** Only what the start has named: whoever asks again must not lead the code elsewhere. */
function addressFor(
  { plan, recipient }: Pick<Verification, 'plan' | 'recipient'>,
  channel: VerifyChannel,
): string | null {
  const isEmail = channel === 'email';
  const alike = plan.find((one) => (one.channel === 'email') === isEmail);
  if (alike) return alike.to;
  return recipient !== null && recipient.includes('@') === isEmail ? recipient : null;
}
