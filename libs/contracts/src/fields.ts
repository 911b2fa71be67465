import { z } from 'zod';

/** Name of a tenant in the tenant file. */
export const tenantName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
  .meta({ description: 'Tenant, as named in the tenant file', examples: ['demo'] });

export const timestamp = z.iso
  .datetime({ offset: true })
  .refine(hasFourDigitYear, 'must be in the years 1 to 9999, in UTC')
  .meta({ description: 'RFC 3339', examples: ['2026-11-24T18:00:00.123Z'] });

export const idempotencyKey = z
  .string()
  .min(1)
  .max(255)
  // Stored otherwise than it was given, it would not be found again.
  .refine((key) => key.isWellFormed() && !key.includes('\0'), 'must be Unicode text without U+0000')
  .meta({ description: 'Unique per tenant; a repeat is answered with what the first one made' });

/** Free key-value pairs of the caller, handed back in every event. */
export const metadata = z
  .record(z.string().max(100), z.string().max(1000))
  .refine((value) => Object.keys(value).length <= 50, 'at most 50 entries')
  .meta({ description: 'Handed back in every event of this request' });

export const lane = z
  .enum(['critical', 'transactional', 'bulk'])
  .meta({ description: 'critical (codes, alerts) is never behind bulk' });

export const isoDuration = z.iso.duration().meta({ description: 'ISO 8601 duration', examples: ['PT60S'] });

export const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone, e.g. America/Los_Angeles')
  .meta({ description: 'IANA time zone', examples: ['America/Los_Angeles'] });

export const decimalString = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,6})?$/)
  .meta({ examples: ['0.05'] });

/** How a failure is told to callers: from the error catalogue, never a raw provider text alone. */
export const failure = z
  .object({
    code: z.union([z.int(), z.string()]).meta({ description: "The provider's error code, or ours as a word" }),
    class: z.enum(['retryable', 'terminal', 'compliance', 'configuration', 'fraud', 'rate', 'unknown']),
    title: z.string(),
    remedy: z.string(),
    runbook: z
      .string()
      .nullish()
      .meta({
        description:
          "What to do at length: a path in Signalbox's repository, or the URL of the provider's page where we have none; absent for our own codes, whose remedy says it all",
        examples: ['docs/runbooks/twilio/30003.md'],
      }),
  })
  .meta({ id: 'Failure', description: 'Why it failed, and what to do about it' });

/** Beyond these, texts of times no longer sort as times do. */
function hasFourDigitYear(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return year >= 1 && year <= 9999;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export type Lane = z.output<typeof lane>;
export type Failure = z.output<typeof failure>;
export type Metadata = z.output<typeof metadata>;
