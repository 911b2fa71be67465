import type { PlaceCallCommand } from '@signalbox/contracts';
import type { Call, Step } from '../call/call.ts';

/** Decides on a request. Always yields a call, so that the caller always gets an event. */
export function accept(command: PlaceCallCommand, context: { id: string; now: Date; digest: string }): Step {
  const at = context.now.toISOString();
  const call: Call = {
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
  return { call, changes: [{ sequence: 1, from: null, to: 'accepted', at, error: null }] };
}
