import {
  suppressionChannel,
  suppressionReason,
  suppressionScope,
  suppressionState,
  timestamp,
} from '@signalbox/contracts';
import { z } from 'zod';

/** As a caller writes it; MMS and RCS are listed under SMS. */
const writtenChannel = z.enum(['sms', 'mms', 'rcs', 'whatsapp']);

const recipient = z
  .string()
  .min(1)
  .max(200)
  .meta({ description: 'E.164, or whatsapp:+E.164', examples: ['+14155550199'] });

const writtenScope = z
  .string()
  .min(1)
  .max(100)
  .meta({
    description: 'A messaging service (its name or SID), a sender, or * for every sender of the tenant',
    examples: ['default'],
  });

export const recipientParam = recipient;

export const suppressionBody = z
  .object({
    channel: writtenChannel.optional().meta({ description: "Default: the recipient's, whatsapp or else sms" }),
    scope: writtenScope.default('*'),
    source: z.string().max(200).nullish().meta({ description: 'Who or what asked for it; kept in the history' }),
  })
  .meta({ id: 'SuppressionRequest' });

export const suppressionPut = suppressionBody.extend({ recipient }).meta({ id: 'SuppressionPut' });

export const suppressionFilter = z.object({
  channel: writtenChannel.optional(),
  scope: writtenScope.optional(),
});

export const suppression = z
  .object({
    recipient: z.string(),
    channel: suppressionChannel,
    scope: suppressionScope,
    state: suppressionState,
    reason: suppressionReason,
    source: z.string().nullable(),
    keyword: z.string().nullable().meta({ description: 'The word that said so; YES is no consent to marketing' }),
    at: timestamp,
    sequence: z.int(),
  })
  .meta({ id: 'Suppression', description: 'Where a recipient stands in one scope' });

export const suppressionPage = z
  .object({
    suppressions: z.array(suppression),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'SuppressionPage' });

export const suppressionQuery = suppressionFilter.extend({
  recipient: recipient.optional(),
  state: z.enum(['opted_out', 'opted_in', 'any']).default('opted_out'),
  cursor: z.string().max(1000).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

export const standing = z
  .object({
    recipient: z.string(),
    suppressed: z.boolean().meta({ description: 'Opted out of something; see the scopes' }),
    suppressions: z.array(suppression).meta({ description: 'Every scope the recipient has ever stood opted out of' }),
    history: z.array(suppression).meta({ description: 'All changes, oldest first' }),
  })
  .meta({ id: 'RecipientStanding' });

export const lifted = z
  .object({ suppressions: z.array(suppression).meta({ description: 'What was lifted; empty when nothing stood' }) })
  .meta({ id: 'LiftedSuppressions' });

export const importReport = z
  .object({
    lines: z.int().meta({ description: 'Records read, without the header' }),
    added: z.int().meta({ description: 'Opted out by this import' }),
    unchanged: z.int().meta({ description: 'Stood opted out before' }),
    faulty: z.int(),
    faults: z
      .array(z.object({ line: z.int(), detail: z.string() }))
      .meta({ description: 'The first thousand; lines count from 1, the header included' }),
  })
  .meta({ id: 'SuppressionImport' });

export const driftQuery = z.object({
  since: timestamp.optional().meta({ description: 'Default: seven days ago' }),
  limit: z.coerce.number().int().min(1).max(1000).default(100).meta({ description: 'Examples of each kind' }),
});

const refusedExample = z.object({
  recipient: z.string(),
  channel: suppressionChannel,
  scope: suppressionScope,
  at: timestamp,
  source: z.string().nullable().meta({ description: "Our message, or the provider's, that was refused" }),
});

const deliveredExample = z.object({
  recipient: z.string(),
  channel: suppressionChannel,
  scope: suppressionScope,
  optedOutAt: timestamp,
  sentAt: timestamp.meta({
    description: 'When it was handed over; of a message that is not ours, when it was reported',
  }),
  messageId: z.uuid().nullable().meta({ description: 'Null: sent by another system on the account' }),
  providerSid: z.string().nullable(),
});

export const driftReport = z
  .object({
    since: timestamp,
    refusedButNotListed: z.object({ recipients: z.int(), examples: z.array(refusedExample) }).meta({
      description: 'The provider knew an opt-out that we did not; each was added to the list when it was noticed',
    }),
    listedButDelivered: z.object({ recipients: z.int(), examples: z.array(deliveredExample) }).meta({
      description: 'Listed as opted out, and the provider delivered what was handed over after that',
    }),
  })
  .meta({ id: 'SuppressionDrift' });

export type SuppressionQuery = z.output<typeof suppressionQuery>;
export type SuppressionView = z.output<typeof suppression>;
export type Standing = z.output<typeof standing>;
export type DriftReport = z.output<typeof driftReport>;
export type DriftQuery = z.output<typeof driftQuery>;
export type ImportReport = z.output<typeof importReport>;
