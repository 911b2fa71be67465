import { examples, type StartVerificationCommand, startVerificationCommand } from '@signalbox/contracts';
import type { Verification } from '../src/verification/verification.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export function command(changes: Partial<StartVerificationCommand> = {}): StartVerificationCommand {
  return { ...startVerificationCommand.parse(examples['verify.start.v1']), ...changes };
}

export function verification(changes: Partial<Verification> = {}): Verification {
  const request = command();
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: request.tenant,
    idempotencyKey: request.idempotencyKey,
    requestDigest: 'digest',
    request,
    createdAt: now.toISOString(),
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    updatedAt: now.toISOString(),
    ...changes,
  };
}
