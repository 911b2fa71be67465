import type { StartVerificationCommand } from '@signalbox/contracts';
import type { Verification, Step } from '../verification/verification.ts';

/** Decides on a request. Always yields a verification, so that the caller always gets an event. */
export function accept(command: StartVerificationCommand, context: { id: string; now: Date; digest: string }): Step {
  const at = context.now.toISOString();
  const verification: Verification = {
    id: context.id,
    tenant: command.tenant,
    idempotencyKey: command.idempotencyKey,
    requestDigest: context.digest,
    request: command,
    createdAt: at,
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    updatedAt: at,
  };
  return { verification, changes: [{ sequence: 1, from: null, to: 'accepted', at, error: null }] };
}
