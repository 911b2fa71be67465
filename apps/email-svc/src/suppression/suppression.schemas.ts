import { suppressionReason, suppressionScope, suppressionState, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

export const recipientParam = z
  .string()
  .min(3)
  .max(320)
  .meta({ description: 'An address', examples: ['a@example.com'] });

/** What somebody may be left out of here. */
export const scopeName = z
  .string()
  .regex(/^(\*|bulk|group:[1-9]\d{0,9})$/, 'must be *, bulk or group:<id>')
  .meta({
    description: '* for all email, bulk for all bulk email, group:<id> for the bulk email of an unsubscribe group',
    examples: ['*'],
  });

export const suppressionBody = z
  .object({
    scope: scopeName.default('*'),
    source: z.string().max(200).nullish().meta({ description: 'Who or what asked for it; kept in the history' }),
  })
  .meta({ id: 'EmailSuppressionRequest' });

export const suppressionFilter = z.object({ scope: scopeName.optional() });

export const suppression = z
  .object({
    recipient: z.string(),
    scope: suppressionScope,
    state: suppressionState,
    reason: suppressionReason,
    source: z.string().nullable(),
    at: timestamp,
    sequence: z.int(),
  })
  .meta({ id: 'EmailSuppression', description: 'Where a recipient stands in one scope' });

export const suppressionPage = z
  .object({
    suppressions: z.array(suppression),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'EmailSuppressionPage' });

export const suppressionQuery = suppressionFilter.extend({
  recipient: recipientParam.optional(),
  reason: suppressionReason.optional(),
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
  .meta({ id: 'EmailRecipientStanding' });

export const lifted = z
  .object({ suppressions: z.array(suppression).meta({ description: 'What was lifted; empty when nothing stood' }) })
  .meta({ id: 'LiftedEmailSuppressions' });

const place = z.object({ recipient: z.string(), scope: suppressionScope, reason: suppressionReason, at: timestamp });

export const driftQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100).meta({ description: 'Examples of each kind' }),
});

export const driftReport = z
  .object({
    at: timestamp,
    onlyAtSendgrid: z.object({ recipients: z.int(), examples: z.array(place) }).meta({
      description: 'On a list of SendGrid and not on ours: the next read adds them, unless they were lifted here since',
    }),
    onlyHere: z.object({ recipients: z.int(), examples: z.array(place) }).meta({
      description:
        'On our list and on none of SendGrid: not told yet, or taken off there by hand. We send them nothing',
    }),
    untold: z.int().meta({ description: 'Changes that SendGrid is still to be told' }),
  })
  .meta({ id: 'EmailSuppressionDrift' });

export const syncReport = z
  .object({ added: z.int().meta({ description: 'Recipients that were new to our list' }) })
  .meta({ id: 'EmailSuppressionSync' });

export type SuppressionQuery = z.output<typeof suppressionQuery>;
export type SuppressionView = z.output<typeof suppression>;
export type Standing = z.output<typeof standing>;
export type DriftReport = z.output<typeof driftReport>;
