import { timestamp } from '@signalbox/contracts';
import { z } from 'zod';

const subject = z.string().min(1).max(255).meta({ description: 'The user, by your own id' });

/** A colon parts issuer and account in what an authenticator reads. Source: Google's Key URI format. */
const label = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .refine((text) => !text.includes(':'), 'must not contain a colon');

export const enrolRequest = z.object({
  subject,
  issuer: label.meta({ description: 'Your name, as the authenticator shows it', examples: ['Example'] }),
  account: label.meta({
    description: "The user's account, as the authenticator shows it",
    examples: ['a@example.com'],
  }),
});

export type EnrolRequest = z.output<typeof enrolRequest>;

const factorState = z.enum(['pending', 'active']);

const factorFields = {
  factorId: z.uuid(),
  subject,
  issuer: z.string(),
  account: z.string(),
  state: factorState.meta({ description: 'pending: not usable before a first code has come from it' }),
  createdAt: timestamp,
};

export const enrolled = z
  .object({
    ...factorFields,
    expiresAt: timestamp.meta({ description: 'Gone then, unless it is activated' }),
    uri: z.string().meta({ description: 'otpauth://… for a link on the device itself. A secret: shown once' }),
    secret: z.string().meta({ description: 'Base32, to be typed in. Shown once' }),
    qrCode: z.string().meta({ description: 'data:image/svg+xml;base64,… of the URI. Shown once' }),
  })
  .meta({ id: 'TotpEnrolment' });

export type EnrolledView = z.output<typeof enrolled>;

export const totpCode = z.object({
  code: z
    .string()
    .trim()
    .regex(/^\d{6}$/, 'must be six digits')
    .meta({ description: 'As the authenticator shows it' }),
});

export const totpOrRecoveryCode = z.object({
  code: z
    .string()
    .trim()
    .regex(/^(\d{6}|[2-9A-HJ-NP-Za-hj-np-z]{5}-?[2-9A-HJ-NP-Za-hj-np-z]{5})$/, 'must be six digits, or a recovery code')
    .meta({ description: 'As the authenticator shows it, or a recovery code' }),
});

export type TotpCode = z.output<typeof totpCode>;

export const activated = z
  .object({
    approved: z.boolean().meta({ description: 'False: the code was wrong, and the factor is as it was' }),
    state: factorState,
    recoveryCodes: z
      .array(z.string())
      .meta({ description: 'Each stands for one code when the authenticator is lost. Shown once' }),
  })
  .meta({ id: 'TotpActivation' });

export type ActivatedView = z.output<typeof activated>;

export const checked = z.object({ approved: z.boolean() }).meta({ id: 'TotpCheck' });

export const recoveryCodes = z.object({ recoveryCodes: z.array(z.string()) }).meta({ id: 'TotpRecoveryCodes' });

export const factorsQuery = z.object({ subject });

export const factorList = z
  .object({
    factors: z.array(
      z.object({
        ...factorFields,
        activatedAt: timestamp.nullable(),
        lastUsedAt: timestamp.nullable(),
        lockedUntil: timestamp.nullable().meta({ description: 'After too many wrong codes none is looked at before' }),
        recoveryCodesLeft: z.int(),
      }),
    ),
  })
  .meta({ id: 'TotpFactorList' });

export type FactorView = z.output<typeof factorList>['factors'][number];
