import { examples, type PlaceCallCommand, placeCallCommand } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import type { Call } from '../src/call/call.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export function command(changes: Partial<PlaceCallCommand> = {}): PlaceCallCommand {
  return { ...placeCallCommand.parse({ ...examples['voice.place.v1'], retry: null }), ...changes };
}

export function call(changes: Partial<Call> = {}): Call {
  const request = changes.request ?? command();
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: request.tenant,
    idempotencyKey: request.idempotencyKey,
    requestDigest: 'digest',
    request,
    to: request.to,
    from: '+14155550100',
    lane: request.lane,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    createdAt: now.toISOString(),
    state: 'accepted',
    sequence: 1,
    round: 0,
    providerSid: null,
    earlierSids: [],
    error: null,
    attempt: 0,
    dueAt: now.toISOString(),
    queue: '',
    checkAt: null,
    cancelRequested: false,
    answeredBy: null,
    durationSeconds: null,
    updatedAt: now.toISOString(),
    ...changes,
  };
}

/** A call whose attempt is under way. */
export function placing(changes: Partial<Call> = {}): Call {
  return call({ state: 'submitting', sequence: 2, round: 1, attempt: 1, dueAt: null, ...changes });
}

export const tenant: Tenant = {
  name: 'demo',
  twilio: {
    accountSid: 'AC00000000000000000000000000000001',
    apiKey: { sid: 'SK00000000000000000000000000000001', secret: 'secret' },
    authTokens: ['token'],
  },
  senders: ['+14155550100'],
  messagingServices: {},
  defaultSender: '+14155550100',
  apiTokens: [],
};
