import { ProblemException } from '@signalbox/service';
import { defaultVerifyLimits, type Tenant } from '@signalbox/tenants';
import type { CheckAnswer } from '../check/checker.ts';
import { millis } from '../limits/limits.ts';
import type { StartAnswer } from '../start/starter.ts';
import type { Verification } from '../verification/verification.ts';
import type { CheckedVerification, StartedVerification } from './verification.schemas.ts';

/** @throws ProblemException for what was not started */
export function started(tenant: Tenant, answer: StartAnswer): StartedVerification {
  switch (answer.result) {
    case 'started':
    case 'repeat': {
      const { verification, nextSendAt } = answer;
      return {
        verificationId: verification.id,
        idempotencyKey: verification.idempotencyKey,
        state: verification.state,
        channel: verification.plan[verification.position]?.channel ?? 'sms',
        expiresAt: verification.expiresAt,
        nextSendAt: (nextSendAt ?? afterCoolDown(tenant, verification)).toISOString(),
        repeated: answer.result === 'repeat',
        error: verification.state === 'failed' ? verification.error : null,
      };
    }
    case 'limited':
      throw tooMany(answer.scope, answer.retryAfterMs);
    case 'faulty': {
      const { field, detail } = answer.fault;
      throw new ProblemException(422, 'Request cannot be carried out', `${field}: ${detail}`, {
        errors: [{ pointer: `#/${field}`, detail }],
      });
    }
    case 'conflict':
      throw keyConflict();
    case 'ended':
      throw ended(answer.verification);
    case 'unknown_id':
      throw notFound();
  }
}

/** @throws ProblemException for what was not checked */
export function checked(answer: CheckAnswer): CheckedVerification {
  if (answer.result === 'unknown_id') throw notFound();
  const { verification, retryAfterMs } = answer;
  switch (answer.result) {
    case 'approved':
    case 'wrong':
    case 'unsent':
      return {
        verificationId: verification.id,
        approved: answer.result === 'approved',
        state: verification.state,
        checksLeft: Math.max(0, verification.maxChecks - verification.checks),
        expiresAt: verification.expiresAt,
      };
    case 'limited':
      throw tooMany('checks', retryAfterMs ?? 1_000, verification);
    case 'locked':
      throw tooMany('checks', lockedMs, verification);
    case 'ended':
      throw verification.state === 'denied'
        ? tooMany('checks', remains(verification), verification)
        : ended(verification);
    case 'not_seen':
    case 'unknown': {
      const isCounted = answer.result === 'unknown';
      const detail = isCounted
        ? 'The provider did not say whether the code was right; the check counts. The state tells if it was approved'
        : 'The provider could not be asked; the check does not count';
      throw new ProblemException(503, 'Not checked', detail, of(verification), retryAfter(retryAfterMs ?? 1_000));
    }
  }
}

export function notFound(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no verification with this id');
}

/** As Twilio does it: what is over cannot be found to be checked. */
function ended(verification: Verification): ProblemException {
  return new ProblemException(404, 'Not Found', 'This verification has ended', of(verification));
}

/** When to ask about a locked authenticator again; how long it is locked in fact is not told. */
const lockedMs = 60_000;

const of = ({ id, state }: Verification) => ({ verificationId: id, state });

function tooMany(limit: string, waitMs: number, verification?: Verification): ProblemException {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new ProblemException(
    429,
    'Too Many Requests',
    limit === 'checks' ? 'No more codes can be checked' : 'No other code is sent yet',
    { retryAfter: seconds, limit, ...(verification && of(verification)) },
    retryAfter(waitMs),
  );
}

const retryAfter = (ms: number) => ({ 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) });

function remains({ expiresAt }: Verification): number {
  return expiresAt === null ? 0 : Date.parse(expiresAt) - Date.now();
}

function afterCoolDown(tenant: Tenant, { lastSentAt, createdAt }: Verification): Date {
  const { coolDown } = tenant.verify?.limits ?? defaultVerifyLimits;
  return new Date(Date.parse(lastSentAt ?? createdAt) + millis(coolDown));
}

function keyConflict(): ProblemException {
  const detail = 'This idempotency key belongs to another request of yours; nothing was accepted';
  return new ProblemException(422, 'Idempotency key reused', detail, {
    errors: [{ pointer: '#/idempotencyKey', detail: 'was used with a different request' }],
  });
}
