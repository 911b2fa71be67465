import { z } from 'zod';

/** What kind of email was received; everything but `message` was written by a program. */
export const inboundKinds = ['message', 'auto_reply', 'bounce', 'list'] as const;

const pattern = z
  .string()
  .min(1)
  .max(200)
  .meta({ description: 'Upper and lower case alike; * stands for anything, e.g. support@*' });

/** Which received emails get a topic: all of what it names has to fit. */
export const inboundRoute = z
  .strictObject({
    topic: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be lower case, digits, dots, dashes, underscores'),
    /** One of the envelope's recipients. */
    recipient: pattern.optional(),
    /** The address of the From header. */
    sender: pattern.optional(),
    subject: pattern.optional(),
    kinds: z.array(z.enum(inboundKinds)).min(1).optional(),
    /** Whether it answers an email of ours. */
    reply: z.boolean().optional(),
  })
  .refine(
    ({ topic: _, ...criteria }) => Object.values(criteria).some((criterion) => criterion !== undefined),
    'needs one of recipient, sender, subject, kinds and reply',
  );

/** In their order; the first that fits is the one that counts. */
export const inboundRoutes = z.array(inboundRoute).max(200);

/**
 * Where answers to emails go that ask for it: an address whose domain SendGrid's Inbound Parse receives. Its local part is short,
 * because `+` and 45 characters follow it, and a local part has 64 at most.
 */
export const replyAddress = z
  .string()
  .regex(
    /^[a-z0-9._-]{1,18}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/,
    'must be an address in lower case with at most 18 characters in front of the @',
  );

export type InboundRoute = z.output<typeof inboundRoute>;
export type InboundKind = (typeof inboundKinds)[number];
