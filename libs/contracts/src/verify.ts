import { z } from 'zod';
import { failure, idempotencyKey, metadata, tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** A request as its HTTP body has it: the tenant is the token's. */
export const startVerificationRequest = z.object({
  idempotencyKey,
  to: z.string().min(1).max(320).meta({ description: 'Recipient' }),
  metadata: metadata.default({}),
});

export const startVerificationCommand = startVerificationRequest
  .safeExtend({ tenant: tenantName })
  .meta({ id: 'VerifyStart', description: 'Start one verification' });

export const verifyCommands = defineTopic({
  name: 'commands.verify.v1',
  summary: 'Start a verification',
  key: 'tenant + recipient, e.g. demo:+14155550199',
  messages: { 'verify.start.v1': startVerificationCommand },
});

export type StartVerificationRequest = z.output<typeof startVerificationRequest>;
export type StartVerificationCommand = z.output<typeof startVerificationCommand>;

export const verificationState = z
  .enum(['accepted', 'submitted', 'completed', 'failed'])
  .meta({ id: 'VerificationState' });

export const verificationStateChanged = z
  .object({
    tenant: tenantName,
    verificationId: z.uuid(),
    idempotencyKey,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per verification' }),
    state: verificationState,
    previousState: verificationState.nullable(),
    at: timestamp,
    to: z.string(),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
  })
  .meta({ id: 'VerificationStateChanged', description: 'A verification moved forward' });

export const verifyEvents = defineTopic({
  name: 'events.verify.v1',
  summary: 'Every state change of a verification, in order',
  key: 'our verification id',
  messages: { 'verify.verification.state-changed.v1': verificationStateChanged },
});

export type VerificationState = z.output<typeof verificationState>;
export type VerificationStateChanged = z.output<typeof verificationStateChanged>;
