import { Inject, Injectable } from '@nestjs/common';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { enrolmentOf, type Enrolment, newRecoveryCodes, newSecret, stepOf } from './authenticator.ts';
import {
  deleteFactors,
  insertFactor,
  lockFactor,
  lockFactors,
  lockFactorsOf,
  lockSubject,
  lockUnfinished,
  saveFactor,
  type StoredFactor,
  tellFactor,
  useRecoveryCode,
  writeRecoveryCodes,
} from './factor.store.ts';
import { isOutdated, open, seal } from './seal.ts';
import {
  activate,
  decide,
  type Factor,
  isOver,
  lockedUntil,
  normalRecoveryCode,
  pendingMs,
  type Verdict,
} from './totp.rules.ts';
import { totpChecks } from './totp.metrics.ts';

/** A code of a user's authenticator to be checked. */
export interface TotpCheck {
  readonly tenant: string;
  readonly subject: string;
  readonly code: string;
}

/**
 * `approved` at most once per code, whoever asks; `wrong` also where the subject has no factor, in the same time; `locked`
 * after too many wrong codes: nothing was looked at.
 */
export type TotpResult = 'approved' | 'wrong' | 'locked';

/** What became of a code for one factor; `until` when it is locked. */
export interface FactorChecked {
  readonly result: TotpResult;
  readonly until: Date | undefined;
}

export type Enrolled =
  | { readonly result: 'enrolled'; readonly factor: Factor; readonly enrolment: Enrolment }
  | { readonly result: 'too_many' };

export type Activated =
  | { readonly result: 'activated'; readonly recoveryCodes: readonly string[] }
  | { readonly result: 'wrong' | 'unknown' | 'active_already' }
  | { readonly result: 'locked'; readonly until: Date };

/** A user has a telephone, perhaps a tablet and a spare. */
const maxFactors = 5;

/** Users' authenticators: enrolled here, checked here, and never known to the provider. */
@Injectable()
export class Totp {
  readonly #keys: VerifyConfig['TOTP_KEYS'];
  readonly #drift: number;
  readonly #hash: KeyedHash;
  /** Worked on where there is no factor. */
  readonly #nobody = newSecret();

  constructor(
    @Inject(CONFIG) config: Pick<VerifyConfig, 'TOTP_KEYS' | 'TOTP_DRIFT_STEPS'>,
    @Inject(KeyedHash) hash: KeyedHash,
  ) {
    this.#keys = config.TOTP_KEYS;
    this.#drift = config.TOTP_DRIFT_STEPS;
    this.#hash = hash;
  }

  /** Without keys nothing can be sealed. */
  get isSetUp(): boolean {
    return this.#keys.size > 0;
  }

  /** Has to be called before checks of several users in one transaction, which otherwise could wait for another's crosswise. */
  async lock(tx: Transaction, users: readonly Pick<TotpCheck, 'tenant' | 'subject'>[]): Promise<void> {
    if (users.length > 1) await lockFactorsOf(tx, users);
  }

  /** Checks of the channel `totp`, which never calls the provider. The verification's row is locked while it is asked. */
  async check(tx: Transaction, { tenant, subject, code }: TotpCheck, now: Date): Promise<TotpResult> {
    const stored = (await lockFactors(tx, tenant, subject)).filter(({ factor }) => factor.state === 'active');
    return (await this.#check(tx, stored, code, now)).result;
  }

  /** A code for one factor; undefined when the tenant has no such factor that is active. */
  async checkFactor(
    tx: Transaction,
    tenant: string,
    id: string,
    code: string,
    now: Date,
  ): Promise<FactorChecked | undefined> {
    const stored = await lockFactor(tx, tenant, id);
    return stored?.factor.state === 'active' ? this.#check(tx, [stored], code, now) : undefined;
  }

  /** Takes the place of what the user began to enrol before and did not finish. */
  async enrol(
    tx: Transaction,
    { tenant, subject, issuer, account }: Pick<Factor, 'tenant' | 'subject' | 'issuer' | 'account'>,
    now: Date,
  ): Promise<Enrolled> {
    await lockSubject(tx, tenant, subject);
    const known = (await lockFactors(tx, tenant, subject)).map(({ factor }) => factor);
    const unfinished = known.filter(({ state }) => state === 'pending');
    if (known.length - unfinished.length >= maxFactors) return { result: 'too_many' };
    for (const factor of unfinished) await this.#delete(tx, factor, now);
    const secret = newSecret();
    const factor: Factor = {
      id: uuidv7(),
      tenant,
      subject,
      issuer,
      account,
      state: 'pending',
      sequence: 1,
      lastStep: null,
      wrongAt: [],
      createdAt: now.toISOString(),
      activatedAt: null,
      lastUsedAt: null,
    };
    await insertFactor(tx, { factor, sealed: seal(this.#keys, secret, ownerOf(factor)) });
    await tellFactor(tx, factor, 'enrolled', now);
    return { result: 'enrolled', factor, enrolment: enrolmentOf(secret, { issuer, account }) };
  }

  /** The first right code shows that the secret is in an authenticator. Recovery codes are in the answer, and nowhere else. */
  async activate(tx: Transaction, tenant: string, id: string, code: string, now: Date): Promise<Activated> {
    const stored = await lockFactor(tx, tenant, id);
    if (!stored || isOver(stored.factor, now)) return { result: 'unknown' };
    if (stored.factor.state === 'active') return { result: 'active_already' };
    const { verdict, factor } = this.#decide(stored, code, now);
    count(tx, verdict);
    if (verdict !== 'approved') {
      await saveFactor(tx, factor);
      const until = verdict === 'locked' ? lockedUntil(factor.wrongAt, now) : undefined;
      return until ? { result: 'locked', until } : { result: 'wrong' };
    }
    const active = next(activate(factor, now));
    await saveFactor(tx, active);
    await tellFactor(tx, active, 'activated', now);
    return { result: 'activated', recoveryCodes: await this.#newRecoveryCodes(tx, active) };
  }

  /** New recovery codes in place of all earlier ones; undefined when the tenant has no such factor that is active. */
  async renewRecoveryCodes(tx: Transaction, tenant: string, id: string, now: Date): Promise<string[] | undefined> {
    const stored = await lockFactor(tx, tenant, id);
    if (stored?.factor.state !== 'active') return undefined;
    const factor = next(stored.factor);
    await saveFactor(tx, factor);
    await tellFactor(tx, factor, 'recovery_codes_renewed', now);
    return this.#newRecoveryCodes(tx, factor);
  }

  /** False when the tenant has no such factor. */
  async remove(tx: Transaction, tenant: string, id: string, now: Date): Promise<boolean> {
    const stored = await lockFactor(tx, tenant, id);
    if (!stored) return false;
    await this.#delete(tx, stored.factor, now);
    return true;
  }

  /** Removes enrolments that were not finished in time; returns how many. */
  async clearUnfinished(tx: Transaction, now: Date, limit: number): Promise<number> {
    const unfinished = await lockUnfinished(tx, new Date(now.getTime() - pendingMs), limit);
    for (const factor of unfinished) await this.#delete(tx, factor, now);
    return unfinished.length;
  }

  /** Approved by the first whose code it is; wrong for all of them when it is none's. */
  async #check(tx: Transaction, stored: readonly StoredFactor[], code: string, now: Date): Promise<FactorChecked> {
    const recovered = await this.#useRecoveryCode(tx, stored, code, now);
    if (recovered) return { result: 'approved', until: undefined };
    const decided = stored.map((one) => ({ ...one, ...this.#decide(one, code, now) }));
    const right = decided.find(({ verdict }) => verdict === 'approved');
    if (right) {
      await this.#approve(tx, right, now);
      return { result: 'approved', until: undefined };
    }
    if (decided.length === 0) await this.#pretend(tx, code, now);
    for (const { factor, verdict } of decided) {
      count(tx, verdict);
      if (verdict !== 'locked') await saveFactor(tx, factor);
    }
    const ends = decided.map(({ factor }) => lockedUntil(factor.wrongAt, now)?.getTime() ?? 0);
    const isLocked = decided.length > 0 && decided.every(({ verdict }) => verdict === 'locked');
    return isLocked ? { result: 'locked', until: new Date(Math.min(...ends)) } : { result: 'wrong', until: undefined };
  }

  async #approve(tx: Transaction, { factor, sealed }: StoredFactor, now: Date): Promise<void> {
    const used = next(factor);
    const owner = ownerOf(used);
    const anew = isOutdated(this.#keys, sealed) ? seal(this.#keys, open(this.#keys, sealed, owner), owner) : undefined;
    if (!(await saveFactor(tx, used, anew))) throw new Error('a factor was changed while it was locked');
    await tellFactor(tx, used, 'approved', now);
    count(tx, 'approved');
  }

  async #useRecoveryCode(tx: Transaction, stored: readonly StoredFactor[], code: string, now: Date): Promise<boolean> {
    const recovery = normalRecoveryCode(code);
    if (recovery === undefined) return false;
    for (const { factor } of stored) {
      if (lockedUntil(factor.wrongAt, now)) continue;
      if (!(await useRecoveryCode(tx, factor.id, this.#recoveryHash(factor, recovery), now))) continue;
      const used = next({ ...factor, lastUsedAt: now.toISOString() });
      await saveFactor(tx, used);
      await tellFactor(tx, used, 'approved_by_recovery_code', now);
      count(tx, 'recovery_code');
      return true;
    }
    return false;
  }

  /** Does what a wrong code for a factor would, so that the time taken does not tell whether there is one. */
  async #pretend(tx: Transaction, code: string, now: Date): Promise<void> {
    const owner = { tenant: '', factorId: nil };
    const factor: Factor = { ...nobody, createdAt: now.toISOString() };
    const sealed = this.isSetUp ? seal(this.#keys, this.#nobody, owner) : undefined;
    const secret = sealed ? open(this.#keys, sealed, owner) : this.#nobody;
    await saveFactor(tx, decide(factor, stepOf(secret, code, now, this.#drift), now).factor);
    count(tx, 'no_factor');
  }

  #decide({ factor, sealed }: StoredFactor, code: string, now: Date): { verdict: Verdict; factor: Factor } {
    const step = stepOf(open(this.#keys, sealed, ownerOf(factor)), code, now, this.#drift);
    return decide(factor, step, now);
  }

  async #delete(tx: Transaction, factor: Factor, now: Date): Promise<void> {
    await deleteFactors(tx, [factor.id]);
    await tellFactor(tx, next(factor), 'deleted', now);
  }

  async #newRecoveryCodes(tx: Transaction, factor: Factor): Promise<string[]> {
    const codes = newRecoveryCodes();
    await writeRecoveryCodes(
      tx,
      factor.id,
      codes.map((code) => this.#recoveryHash(factor, code)),
    );
    return codes;
  }

  #recoveryHash({ tenant, id }: Factor, code: string): string {
    return this.#hash.of('recovery_code', tenant, id, code);
  }
}

const ownerOf = ({ tenant, id }: Factor) => ({ tenant, factorId: id });

const next = (factor: Factor): Factor => ({ ...factor, sequence: factor.sequence + 1 });

const nil = '00000000-0000-0000-0000-000000000000';

const nobody: Factor = {
  id: nil,
  tenant: '',
  subject: '',
  issuer: '',
  account: '',
  state: 'active',
  sequence: 1,
  lastStep: null,
  wrongAt: [],
  createdAt: '',
  activatedAt: null,
  lastUsedAt: null,
};

function count(tx: Transaction, result: Verdict | 'recovery_code' | 'no_factor'): void {
  onCommit(tx, () => totpChecks.inc({ result }));
}
