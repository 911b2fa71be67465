import { z } from 'zod';

const days = ([, years, months, weeks, rest]: readonly (string | undefined)[]) =>
  Number(years ?? 0) * 365 + Number(months ?? 0) * 30 + Number(weeks ?? 0) * 7 + Number(rest ?? 0);
const written = /^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?$/;
const daysOf = (period: string) => days(written.exec(period) ?? []);

/** A day is the shortest: what came from Kafka late must not be too old on arrival. */
const period = z
  .string()
  .refine((text) => daysOf(text) >= 1, 'must be an ISO 8601 duration of at least a day, e.g. P30D or P1Y');

/** How long what a tenant sent and received is kept, from its acceptance or arrival; ISO 8601 durations. */
export const retention = z
  .strictObject({
    /** Texts, media and variables; after that the message is there without them. */
    bodies: period.default('P30D'),
    /** Messages with their history. */
    messages: period.default('P400D'),
  })
  .refine(({ bodies, messages }) => daysOf(bodies) <= daysOf(messages), {
    path: ['bodies'],
    message: 'must not be longer than messages',
  });

export type RetentionPeriods = z.output<typeof retention>;

/** Where the tenant file says nothing. */
export const defaultRetention: RetentionPeriods = retention.parse({});
