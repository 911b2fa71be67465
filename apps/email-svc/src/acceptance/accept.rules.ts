import type { SendEmailCommand } from '@signalbox/contracts';
import type { Email, Step } from '../email/email.ts';

/** Decides on a request. Always yields an email, so that the caller always gets an event. */
export function accept(command: SendEmailCommand, context: { id: string; now: Date; digest: string }): Step {
  const at = context.now.toISOString();
  const email: Email = {
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
  return { email, changes: [{ sequence: 1, from: null, to: 'accepted', at, error: null }] };
}
