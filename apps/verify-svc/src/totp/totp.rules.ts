/** Seconds a code is shown for, and what authenticators take for granted. Source: RFC 6238, 5.2; Google's Key URI format. */
export const stepSeconds = 30;

/** A user's authenticator. Times are ISO 8601 UTC. */
export interface Factor {
  readonly id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly issuer: string;
  readonly account: string;
  /** `pending`: shown, and not yet known to be in an authenticator. */
  readonly state: 'pending' | 'active';
  readonly sequence: number;
  /** Step of the last code that was taken: that code and older ones are not taken again. */
  readonly lastStep: number | null;
  /** When codes were wrong, oldest first. */
  readonly wrongAt: readonly string[];
  readonly createdAt: string;
  readonly activatedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** Wrong codes after which no more are looked at until the earliest is so long ago: against guessing fast, and all day. */
const locks = [
  { wrong: 5, withinMs: 15 * 60_000 },
  { wrong: 20, withinMs: 24 * 3_600_000 },
] as const;

const mostWrong = Math.max(...locks.map(({ wrong }) => wrong));

/** A factor that is not activated within an hour is gone. */
export const pendingMs = 3_600_000;

/** Until when no code is looked at; undefined when one may be. */
export function lockedUntil(wrongAt: readonly string[], now: Date): Date | undefined {
  const ends = locks.flatMap(({ wrong, withinMs }) => {
    const earliest = wrongAt.at(-wrong);
    const end = earliest === undefined ? 0 : Date.parse(earliest) + withinMs;
    return end > now.getTime() ? [end] : [];
  });
  return ends.length === 0 ? undefined : new Date(Math.max(...ends));
}

export type Verdict = 'approved' | 'wrong' | 'replayed' | 'locked';

/**
 * Decides on a code.
 * @param step the step whose code it is, within the drift that is allowed; null when it is none's
 */
export function decide(factor: Factor, step: number | null, now: Date): { verdict: Verdict; factor: Factor } {
  if (lockedUntil(factor.wrongAt, now)) return { verdict: 'locked', factor };
  const isNew = step !== null && (factor.lastStep === null || step > factor.lastStep);
  if (!isNew) {
    const wrongAt = [...factor.wrongAt, now.toISOString()].slice(-mostWrong);
    return { verdict: step === null ? 'wrong' : 'replayed', factor: { ...factor, wrongAt } };
  }
  return { verdict: 'approved', factor: { ...factor, lastStep: step, lastUsedAt: now.toISOString() } };
}

export function activate(factor: Factor, now: Date): Factor {
  return { ...factor, state: 'active', activatedAt: now.toISOString() };
}

export function isOver({ state, createdAt }: Factor, now: Date): boolean {
  return state === 'pending' && now.getTime() - Date.parse(createdAt) >= pendingMs;
}

/** The form of a recovery code: two times five letters and digits, of which none looks like another. */
export const recoveryCode = /^([2-9A-HJ-NP-Z]{5})-?([2-9A-HJ-NP-Z]{5})$/;

/** As it is hashed; undefined for what is no recovery code. */
export function normalRecoveryCode(text: string): string | undefined {
  const [, head, tail] = recoveryCode.exec(text.trim().toUpperCase()) ?? [];
  return head && tail ? `${head}-${tail}` : undefined;
}
