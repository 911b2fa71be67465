import { Duration } from 'luxon';
import { z } from 'zod';

const hour = 3_600_000;

const share = z.number().gt(0).max(1);

/** Shares of emails, 0.001 for 0.1 %. */
const threshold = (throttle: number, stop: number) =>
  z
    .strictObject({ throttle: share.default(throttle), stop: share.default(stop) })
    .refine((limits) => limits.throttle < limits.stop, { path: ['throttle'], message: 'must be below stop' })
    .prefault({});

/**
 * When a stream of emails to a mailbox provider goes slower, and when it stops. A stream is what is sent in the bulk lane, or what is
 * not. Sources: of complaints, "Email sender guidelines" of Google (below 0.1 %, never 0.3 %) and Yahoo's "Sender Best Practices"
 * (below 0.3 %); of bounces, Amazon SES, which looks at accounts from 5 % on and pauses them at 10 %. Of blocks nobody gives a
 * number: these are ours.
 */
export const emailDeliverability = z.strictObject({
  /** What is looked at slides in whole hours. */
  window: z.iso
    .duration()
    .refine((text) => {
      const ms = Duration.fromISO(text).toMillis();
      return ms >= hour && ms <= 168 * hour && ms % hour === 0;
    }, 'must be whole hours, from PT1H to P7D')
    .default('PT24H'),
  /** Emails in the window below which nothing is said of a stream. */
  minVolume: z.int().min(10).max(1_000_000_000).default(500),
  /** Of those delivered. */
  complaints: threshold(0.001, 0.003),
  /** Hard ones, of those that the provider answered for. */
  bounces: threshold(0.05, 0.1),
  /** Refused for content or reputation, likewise. */
  blocks: threshold(0.1, 0.3),
  /** Emails per second of a stream that is throttled; left out: a tenth of its busiest hour, and 1 at least. */
  throttledRate: z.number().positive().max(100_000).optional(),
  /** False: told, and not acted on. */
  enforce: z.boolean().default(true),
});

export type EmailDeliverability = z.output<typeof emailDeliverability>;

/** Where the tenant file says nothing. */
export const defaultEmailDeliverability: EmailDeliverability = emailDeliverability.parse({});
