import { Duration } from 'luxon';
import { z } from 'zod';

const minute = 60_000;

const period = z.iso
  .duration()
  .refine((text) => Duration.fromISO(text).toMillis() >= minute, 'must be at least a minute, e.g. PT15M');

/**
 * What becomes of a message of which nobody can find out whether the provider took it: the list of messages cannot be
 * read, or does not tell it from another. `hold` waits for an operator; `resend` sends it again when it was in doubt for
 * `after` (ISO 8601), so that the recipient may get it twice.
 */
export const inDoubt = z.preprocess(
  (written) => (typeof written === 'string' ? { policy: written } : written),
  z.strictObject({ policy: z.enum(['hold', 'resend']), after: period.default('PT15M') }),
);

export type InDoubtPolicy = z.output<typeof inDoubt>;
