import { Duration } from 'luxon';
import { z } from 'zod';

const period = (longest: string) =>
  z.iso.duration().refine((text) => {
    const ms = Duration.fromISO(text).toMillis();
    return ms > 0 && ms <= Duration.fromISO(longest).toMillis();
  }, `must be an ISO 8601 duration of at most ${longest}`);

const window = (sends: number, per: string) =>
  z
    .strictObject({
      /** Codes sent at most within `per`. */
      sends: z.int().min(1).max(1_000_000).default(sends),
      per: period('P1D').default(per),
    })
    .prefault({});

/**
 * How often codes are sent and checked: per recipient, user (`subject`), address (`ip`) and in all. A window slides; where more
 * than 60 sends fit in it, it does so in sixtieths of `per`.
 */
export const verifyLimits = z.strictObject({
  /** Between two codes to the same recipient, or the same user. */
  coolDown: period('PT1H').default('PT60S'),
  recipient: window(5, 'PT1H'),
  user: window(5, 'PT1H'),
  /** Many people share an address behind a carrier's NAT. */
  ip: window(30, 'PT1H'),
  tenant: window(10_000, 'PT1H'),
  /** Codes checked at most per verification; Twilio allows five as well. */
  checks: z.int().min(1).max(5).default(5),
});

export type VerifyLimits = z.output<typeof verifyLimits>;

/** Where the tenant file says nothing. */
export const defaultVerifyLimits: VerifyLimits = verifyLimits.parse({});

const channel = z.enum(['sms', 'call', 'whatsapp', 'email']);

/** Which channels a code takes, in which order. */
export const verifyChannels = z.strictObject({
  /** The order of `auto`, and what follows a channel that was asked for and does not work. */
  order: z
    .array(channel)
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'has a channel twice')
    .default(['sms', 'call', 'email']),
  /** Goes on to the next channel when nothing is known of a delivery, and no code has come back, for so long; left out: never. */
  silence: period('PT10M').optional(),
  /** False: only `auto` falls back, a channel that was asked for is the only one. */
  fallback: z.boolean().default(true),
});

export type VerifyChannelPolicy = z.output<typeof verifyChannels>;

/** Where the tenant file says nothing. */
export const defaultVerifyChannels: VerifyChannelPolicy = verifyChannels.parse({});
