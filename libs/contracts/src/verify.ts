import { z } from 'zod';
import { failure, idempotencyKey, metadata, tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** Ways a code can go. `totp` sends nothing: the user's authenticator shows it. */
export const verifyChannel = z.enum(['sms', 'call', 'whatsapp', 'email', 'totp']);

const startFields = z.object({
  idempotencyKey,
  to: z.string().min(1).max(320).nullish().meta({
    description: 'Phone number in E.164, or an email address; only `totp`, which knows the `subject`, needs none',
  }),
  email: z
    .email()
    .max(320)
    .nullish()
    .meta({ description: 'Where the code may go when no channel of the number works' }),
  channel: z
    .enum([...verifyChannel.options, 'auto'])
    .default('auto')
    .meta({ description: "auto: the tenant's policy decides, and goes on to the next channel when one does not work" }),
  service: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: "A name of verify.services in the tenant file; the tenant's default when none is given" }),
  locale: z
    .string()
    .regex(/^[a-z]{2,3}(-[A-Za-z]{2,4})?$/)
    .nullish()
    .meta({ description: 'Language of the message', examples: ['de', 'pt-BR'] }),
  purpose: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: 'What it is for, in your words; handed back in every event', examples: ['login'] }),
  subject: z.string().max(255).nullish().meta({ description: 'The user, by your own id: what limits per user go by' }),
  ip: z
    .union([z.ipv4(), z.ipv6()])
    .nullish()
    .meta({ description: "The end user's address: what limits per address go by" }),
  userAgent: z.string().max(1000).nullish(),
  deviceId: z.string().max(255).nullish(),
  metadata: metadata.default({}),
});

const needsRecipient = ({ to, channel, subject }: Pick<z.output<typeof startFields>, 'to' | 'channel' | 'subject'>) =>
  typeof (channel === 'totp' ? subject : to) === 'string';
const recipientMissing = { path: ['to'], message: 'is needed; for totp the subject is' };

/** A request as its HTTP body has it: the tenant is the token's. A code never goes through Kafka, so only HTTP takes one. */
export const startVerificationRequest = startFields
  .extend({
    code: z
      .string()
      .regex(/^\d{4,10}$/)
      .nullish()
      .meta({ description: 'Your own code, where the service has custom codes enabled; 4 to 10 digits' }),
    ownCode: z.boolean().default(false).meta({
      description:
        'Signalbox makes the code itself, so that it is the same on every channel; where the service has custom codes enabled',
    }),
  })
  .refine(needsRecipient, recipientMissing);

export const startVerificationCommand = startFields
  .extend({ tenant: tenantName })
  .refine(needsRecipient, recipientMissing)
  .meta({ id: 'VerifyStart', description: 'Start one verification' });

export const verifyCommands = defineTopic({
  name: 'commands.verify.v1',
  summary: 'Start a verification',
  key: 'tenant + recipient, e.g. demo:+14155550199',
  messages: { 'verify.start.v1': startVerificationCommand },
});

export type VerifyChannel = z.output<typeof verifyChannel>;
export type StartVerificationRequest = z.output<typeof startVerificationRequest>;
export type StartVerificationCommand = z.output<typeof startVerificationCommand>;
/** What a caller may write: defaults left out. */
export type StartVerificationCommandInput = z.input<typeof startVerificationCommand>;

export const verificationState = z
  .enum(['accepted', 'pending', 'approved', 'denied', 'expired', 'canceled', 'failed'])
  .meta({
    id: 'VerificationState',
    description:
      'accepted: not known to be sent yet; pending: a code is on its way or there; denied: too many wrong codes; failed: no code could be sent',
  });

export const verificationStateChanged = z
  .object({
    tenant: tenantName,
    verificationId: z.uuid(),
    idempotencyKey,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per verification' }),
    state: verificationState,
    previousState: verificationState.nullable(),
    at: timestamp,
    to: z.string().nullable(),
    channel: verifyChannel.nullable().meta({ description: 'The last one a code was sent on' }),
    purpose: z.string().nullable(),
    subject: z.string().nullable(),
    expiresAt: timestamp.nullable(),
    provider: z.literal('twilio'),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
  })
  .meta({ id: 'VerificationStateChanged', description: 'A verification moved forward' });

export const totpFactorChanged = z
  .object({
    tenant: tenantName,
    factorId: z.uuid(),
    subject: z.string().meta({ description: 'The user, by your own id' }),
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per factor' }),
    change: z
      .enum(['enrolled', 'activated', 'approved', 'approved_by_recovery_code', 'recovery_codes_renewed', 'deleted'])
      .meta({ description: 'enrolled: shown to the user, and not usable before it is activated by a first code' }),
    at: timestamp,
  })
  .meta({ id: 'TotpFactorChanged', description: "Something happened to a user's authenticator" });

export const verifyEvents = defineTopic({
  name: 'events.verify.v1',
  summary: 'Every state change of a verification, in order, and what happens to authenticators',
  key: 'our verification id; the factor id of an authenticator',
  messages: {
    'verify.verification.state-changed.v1': verificationStateChanged,
    'verify.totp-factor.changed.v1': totpFactorChanged,
  },
});

export type TotpFactorChanged = z.output<typeof totpFactorChanged>;

export type VerificationState = z.output<typeof verificationState>;
export type VerificationStateChanged = z.output<typeof verificationStateChanged>;
