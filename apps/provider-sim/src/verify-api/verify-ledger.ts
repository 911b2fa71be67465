import type { VerifyChannel } from './verification-request.rules.ts';
import type { SlidingWindow } from './sliding-window.ts';
import type { ServiceSettings } from './verify-service.rules.ts';

export type VerificationStatus = 'pending' | 'approved' | 'canceled' | 'expired' | 'max_attempts_reached';

export type AttemptStatus =
  'queued' | 'sent' | 'delivered' | 'read' | 'undelivered' | 'failed' | 'in-progress' | 'completed' | 'no-answer';

export interface VerifyService extends ServiceSettings {
  readonly sid: string;
  readonly accountSid: string;
  /** Epoch milliseconds, as all times here. */
  readonly createdAt: number;
  updatedAt: number;
  readonly rateLimits: RateLimit[];
  deleted: boolean;
}

export interface RateLimit {
  readonly sid: string;
  readonly uniqueName: string;
  description: string | null;
  readonly createdAt: number;
  updatedAt: number;
  readonly buckets: Bucket[];
}

export interface Bucket {
  readonly sid: string;
  max: number;
  /** Seconds. */
  readonly interval: number;
  readonly createdAt: number;
  updatedAt: number;
  readonly starts: SlidingWindow;
}

/** One send of a code. */
export interface Attempt {
  readonly sid: string;
  readonly verification: Verification;
  readonly channel: VerifyChannel;
  readonly from: string;
  /** What was sent, the code in it. */
  readonly body: string;
  readonly locale: string;
  readonly tags: Record<string, string> | null;
  readonly createdAt: number;
  updatedAt: number;
  status: AttemptStatus;
  errorCode: number | null;
  converted: boolean;
}

export interface Verification {
  readonly sid: string;
  readonly accountSid: string;
  readonly service: VerifyService;
  readonly to: string;
  /** Of the last send. */
  channel: VerifyChannel;
  status: VerificationStatus;
  code: string;
  customCode: boolean;
  customFriendlyName: string | null;
  amount: string | null;
  payee: string | null;
  readonly attempts: Attempt[];
  /** Every check that named it, refused ones too. */
  checks: number;
  /** Those that were compared with the code. */
  readonly compared: { readonly at: number; readonly right: boolean }[];
  readonly createdAt: number;
  updatedAt: number;
  readonly expiresAt: number;
  verifiedAt: number | null;
}

/** Services, verifications and sends of all accounts, in order, in memory: the ground truth of Verify. */
export class VerifyLedger {
  #services = new Map<string, VerifyService>();
  #all: Verification[] = [];
  #bySid = new Map<string, Verification>();
  /** By service and recipient, oldest first. */
  #byRecipient = new Map<string, Verification[]>();
  #byTo = new Map<string, Verification[]>();
  #attempts: Attempt[] = [];
  #attemptBySid = new Map<string, Attempt>();

  addService(service: VerifyService): void {
    this.#services.set(service.sid, service);
  }

  services(accountSid: string): VerifyService[] {
    return [...this.#services.values()].filter((service) => service.accountSid === accountSid && !service.deleted);
  }

  service(accountSid: string, sid: string): VerifyService | undefined {
    const service = this.#services.get(sid);
    return service?.accountSid === accountSid && !service.deleted ? service : undefined;
  }

  add(verification: Verification): void {
    this.#all.push(verification);
    this.#bySid.set(verification.sid, verification);
    append(this.#byRecipient, recipientKey(verification.service, verification.to), verification);
    append(this.#byTo, verification.to, verification);
  }

  addAttempt(attempt: Attempt): void {
    attempt.verification.attempts.push(attempt);
    this.#attempts.push(attempt);
    this.#attemptBySid.set(attempt.sid, attempt);
  }

  /** By SID, or the latest of a recipient. */
  find(service: VerifyService, sidOrTo: string): Verification | undefined {
    const verification = this.#bySid.get(sidOrTo) ?? this.#byRecipient.get(recipientKey(service, sidOrTo))?.at(-1);
    return verification?.service === service ? verification : undefined;
  }

  bySid(sid: string): Verification | undefined {
    return this.#bySid.get(sid);
  }

  /** Oldest first, those of every account. */
  verifications(to?: string): readonly Verification[] {
    return to === undefined ? this.#all : (this.#byTo.get(to) ?? []);
  }

  /** Newest first. */
  *attempts(accountSid: string): Generator<Attempt> {
    for (let at = this.#attempts.length - 1; at >= 0; at--) {
      const attempt = this.#attempts[at] as Attempt;
      if (attempt.verification.accountSid === accountSid) yield attempt;
    }
  }

  attempt(accountSid: string, sid: string): Attempt | undefined {
    const attempt = this.#attemptBySid.get(sid);
    return attempt?.verification.accountSid === accountSid ? attempt : undefined;
  }

  clear(): void {
    this.#services = new Map();
    this.#all = [];
    this.#bySid = new Map();
    this.#byRecipient = new Map();
    this.#byTo = new Map();
    this.#attempts = [];
    this.#attemptBySid = new Map();
  }
}

const recipientKey = (service: VerifyService, to: string) => `${service.sid} ${to}`;

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
