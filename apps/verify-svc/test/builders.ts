import { examples, type StartVerificationCommand, startVerificationCommand } from '@signalbox/contracts';
import type { Attempt } from '../src/send/attempt.ts';
import type { SettleContext } from '../src/send/settle.rules.ts';
import type { Verification } from '../src/verification/verification.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');
export const later = (ms: number): Date => new Date(now.getTime() + ms);
const number = '+14155550199';

export function command(changes: Partial<StartVerificationCommand> = {}): StartVerificationCommand {
  return { ...startVerificationCommand.parse(examples['verify.start.v1']), ...changes };
}

/** One that was just accepted, with a first attempt under way. */
export function verification(changes: Partial<Verification> = {}): Verification {
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: 'demo',
    idempotencyKey: 'login-42',
    requestDigest: 'digest',
    recipient: number,
    recipientHash: 'hash',
    request: {
      service: null,
      locale: 'en',
      purpose: 'login',
      subject: 'user-42',
      ip: '192.0.2.1',
      userAgent: null,
      deviceId: null,
      metadata: {},
      code: 'provider',
    },
    serviceSid: 'VA00000000000000000000000000000001',
    plan: [
      { channel: 'sms', to: number },
      { channel: 'call', to: number },
    ],
    position: 0,
    createdAt: now.toISOString(),
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    refused: null,
    codes: [],
    checks: 0,
    wrong: 0,
    maxChecks: 5,
    sends: 1,
    attempts: 1,
    wants: null,
    lastSentAt: null,
    expiresAt: later(600_000).toISOString(),
    dueAt: later(600_000).toISOString(),
    toTell: null,
    updatedAt: now.toISOString(),
    ...changes,
  };
}

export const providerSid = 'VE00000000000000000000000000000001';
export const attemptSid = 'VL00000000000000000000000000000001';

/** The first attempt of that one. */
export function attempt(changes: Partial<Attempt> = {}): Attempt {
  return {
    verificationId: verification().id,
    number: 1,
    channel: 'sms',
    to: number,
    why: 'asked',
    state: 'calling',
    startedAt: now.toISOString(),
    leaseUntil: later(15_000).toISOString(),
    worker: 'spec/1',
    finishedAt: null,
    providerSid: null,
    attemptSid: null,
    httpStatus: null,
    error: null,
    delivery: null,
    ...changes,
  };
}

export function settleContext(changes: Partial<SettleContext> = {}): SettleContext {
  return {
    now: later(200),
    ttlMs: 600_000,
    silenceMs: null,
    doubtMs: 2_000,
    leaseMs: 15_000,
    worker: 'spec/1',
    backoffMs: (retryAfterMs) => retryAfterMs ?? 500,
    hasCode: true,
    ...changes,
  };
}
