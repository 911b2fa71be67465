import type { TwilioVerificationEvent } from '@signalbox/contracts';
import { describeFailure } from '@signalbox/twilio';
import { nextChannel } from '../due/due.rules.ts';
import { type Attempt, type Delivery, isOpen } from '../send/attempt.ts';
import { deliveryOfStatus } from '../send/delivery.rules.ts';
import { isFinal, stateOfStatus } from '../verification/verification.state.ts';
import { move, note, type Step } from '../verification/verification.ts';

/** What Twilio says of a verification, or of one message or call that carried its code. */
export interface ProviderReport {
  /** VE… */
  readonly sid: string;
  readonly about: 'verification' | 'delivery';
  readonly status: string;
  readonly errorCode: number | null;
  /** The attempts it names; of a delivery, the one it is about. */
  readonly attempts: readonly NamedAttempt[];
}

export interface NamedAttempt {
  /** VL… */
  readonly attemptSid: string | null;
  /** Which of ours it is, where Twilio repeats our tag. */
  readonly ours: { readonly verificationId: string; readonly number: number } | null;
}

/** `applied` changed something; `ignored` came after something further on; `unknown` is a status we have no word for. */
export type ReportOutcome = 'applied' | 'ignored' | 'unknown';

type Fields = Readonly<Record<string, unknown>>;

/** @returns undefined for what is about no verification: factors and challenges */
export function readReport(
  event: Pick<TwilioVerificationEvent, 'resourceSid' | 'eventType' | 'status' | 'errorCode' | 'params'>,
): ProviderReport | undefined {
  const { resourceSid: sid, eventType, status, errorCode, params } = event;
  if (!sid.startsWith('VE')) return undefined;
  const attemptSid = textOf(params['attempt_sid']);
  if (eventType.includes('.message.') || (attemptSid !== null && params['message_status'] !== undefined)) {
    const attempts = [{ attemptSid, ours: readTag(jsonOf(params['tags'])) }];
    return { sid, about: 'delivery', status, errorCode, attempts };
  }
  const listed = jsonOf(params['send_code_attempts']);
  const all = Array.isArray(listed) ? listed : isFields(listed) ? listed['attempts'] : undefined;
  const attempts = (Array.isArray(all) ? all : []).filter(isFields).map((one) => ({
    attemptSid: textOf(one['attempt_sid']),
    ours: readTag(typeof one['tags'] === 'string' ? jsonOf(one['tags']) : one['tags']),
  }));
  const own = readTag(jsonOf(params['tags']));
  return {
    sid,
    about: 'verification',
    status,
    errorCode,
    attempts: own ? [...attempts, { attemptSid: null, ours: own }] : attempts,
  };
}

/** Applies what is said of the verification: forward only, so shuffled, repeated and late reports end where the ordered run ends. */
export function advance(
  step: Step,
  { status, sid, errorCode }: ProviderReport,
  now: Date,
): { step: Step; outcome: ReportOutcome } {
  const target = stateOfStatus(status);
  if (target === undefined) return { step, outcome: 'unknown' };
  const { verification } = step;
  const at = now.toISOString();
  const moved = move(step, target, at, {
    providerSid: verification.providerSid ?? sid,
    ...(target === 'failed' && { error: describeFailure(errorCode) }),
    ...(target === 'pending' && { dueAt: verification.expiresAt }),
  });
  return { step: moved, outcome: moved === step ? 'ignored' : 'applied' };
}

const progress: Readonly<Record<Delivery, number>> = { sent: 1, undelivered: 2, delivered: 3 };

export interface Delivered {
  readonly step: Step;
  readonly attempt: Attempt;
  readonly outcome: ReportOutcome;
}

/**
 * Applies what became of a message or call. Where it did not arrive, the next channel is due at once; where no channel is left
 * and none has arrived, it has failed.
 * @param all the verification's attempts, with this one
 */
export function deliver(
  step: Step,
  attempt: Attempt,
  all: readonly Attempt[],
  report: ProviderReport,
  now: Date,
): Delivered {
  const delivery = deliveryOfStatus(report.status);
  if (delivery === null) return { step, attempt, outcome: 'unknown' };
  if (progress[delivery] <= (attempt.delivery === null ? 0 : progress[attempt.delivery])) {
    return { step, attempt, outcome: 'ignored' };
  }
  const error = delivery === 'undelivered' ? describeFailure(report.errorCode) : null;
  const told: Attempt = { ...attempt, delivery, error };
  const { verification } = step;
  const isOver = isFinal(verification.state) || verification.wants !== null;
  const isLatest = attempt.number === verification.attempts;
  if (delivery !== 'undelivered' || isOver || !isLatest) return { step, attempt: told, outcome: 'applied' };
  const at = now.toISOString();
  const next = nextChannel(verification);
  if (next) {
    const facts = { position: next.position, wants: 'undelivered' as const, dueAt: at, error };
    return { step: note(step, facts), attempt: told, outcome: 'applied' };
  }
  const mayStillArrive = all.some(
    (one) =>
      one.number !== attempt.number &&
      (isOpen(one.state) || (one.state === 'accepted' && one.delivery !== 'undelivered')),
  );
  const ended = mayStillArrive ? note(step, { error }) : move(step, 'failed', at, { error });
  return { step: ended, attempt: told, outcome: 'applied' };
}

function readTag(tags: unknown): NamedAttempt['ours'] {
  const tag = isFields(tags) ? textOf(tags['signalbox']) : null;
  const [, verificationId, number] = /^([0-9a-f-]{36})\.(\d{1,6})$/.exec(tag ?? '') ?? [];
  return verificationId === undefined || number === undefined ? null : { verificationId, number: Number(number) };
}

function jsonOf(text: unknown): unknown {
  if (typeof text !== 'string' || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
