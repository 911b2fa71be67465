import { examples, type PlaceCallCommand, placeCallCommand } from '@signalbox/contracts';
import type { Call } from '../src/call/call.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export function command(changes: Partial<PlaceCallCommand> = {}): PlaceCallCommand {
  return { ...placeCallCommand.parse(examples['voice.place.v1']), ...changes };
}

export function call(changes: Partial<Call> = {}): Call {
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
