import { lane } from '@signalbox/contracts';
import { z } from 'zod';

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, e.g. 21:00');
const span = { from: timeOfDay, to: timeOfDay };

/** A free time of a day that the hour lost in spring cannot swallow. */
const leavesTwoHours = ({ from, to }: { from: string; to: string }) => {
  const free = minutes(from) - minutes(to);
  return (free < 0 ? free + 1440 : free) >= 120;
};
const minutes = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const tooLong = { message: 'must leave two hours of the day', path: ['to'] };

/** When nobody is written to, in the recipient's own time; over midnight when `from` is the later. */
export const quietHours = z
  .strictObject({
    ...span,
    exemptLanes: z.array(lane).default(['critical']),
    /** Other hours, or none, by country (ISO 3166). */
    countries: z
      .record(
        z.string().regex(/^[A-Z]{2}$/, 'must be an ISO 3166 code, e.g. FR'),
        z.union([z.strictObject(span).refine(leavesTwoHours, tooLong), z.literal('none')], {
          error: 'must be { from, to } that leave two hours of the day, or none',
        }),
      )
      .default({}),
  })
  .refine(leavesTwoHours, tooLong);

export type QuietHours = z.output<typeof quietHours>;
