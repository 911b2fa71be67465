import { Duration } from 'luxon';
import { z } from 'zod';

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-f]{32}$`), `must be a SID: ${prefix} and 32 lower-case hex digits`);

/** Source: Twilio, "Service resource: friendly_name". */
const friendlyName = z
  .string()
  .regex(/^[\p{L}\p{N} _-]{1,30}$/u, 'must be 1 to 30 letters, digits, spaces, dashes and underscores')
  .refine((text) => (text.match(/\p{N}/gu) ?? []).length <= 4, 'must not have more than 4 digits');

/**
 * A Verify service at Twilio as it is to be: what `plan` compares and `apply` sets. What is left out is left as it is there, but
 * for the fields with a default, which verify-svc relies on.
 */
export const verifyService = z
  .strictObject({
    /** Left out: the one with the `friendlyName` is looked for. */
    sid: sid('VA').optional(),
    /** The name in the text of the message. */
    friendlyName: friendlyName.optional(),
    codeLength: z.int().min(4).max(10).default(6),
    /**
     * How long a code is valid. No parameter of the API: Twilio's support changes it, so this has to say what they have set.
     * Source: Verify, rate limits and timeouts.
     */
    ttl: z.iso
      .duration()
      .refine((text) => {
        const ms = Duration.fromISO(text).toMillis();
        return ms >= 1_000 && ms <= 86_400_000;
      }, 'must be an ISO 8601 duration of at most a day, e.g. PT10M')
      .default('PT10M'),
    /** Whether codes of one's own may be sent. */
    customCode: z.boolean().default(false),
    /** Of the text, by SID or by its name at Twilio. */
    template: z.union([sid('HJ'), z.string().min(1).max(64)]).optional(),
    /** Ends an SMS with the advice not to share the code. */
    doNotShareWarning: z.boolean().optional(),
    /** Asks about the number with every start, which costs extra. */
    lookup: z.boolean().optional(),
    /** Refuses an SMS to a landline (60205), so that the next channel is taken at once. */
    skipSmsToLandlines: z.boolean().optional(),
    /** Whoever is called has to press a key before the code is read out. */
    pressKeyForCall: z.boolean().optional(),
    /** Whether Event Streams tells of its verifications. */
    events: z.boolean().default(true),
  })
  .superRefine((service, context) => {
    if (service.sid === undefined && service.friendlyName === undefined)
      context.addIssue({ code: 'custom', path: ['friendlyName'], message: 'is needed where there is no sid' });
    if (service.skipSmsToLandlines && service.lookup !== true)
      context.addIssue({ code: 'custom', path: ['skipSmsToLandlines'], message: 'needs lookup' });
  });

export type VerifyService = z.output<typeof verifyService>;

export const verifyServices = z
  .record(z.string().regex(/^[a-z0-9-]{1,64}$/), verifyService)
  .superRefine((services, context) => {
    for (const field of ['sid', 'friendlyName'] as const) {
      const first = new Map<string, string>();
      for (const [name, service] of Object.entries(services)) {
        const value = service[field];
        const earlier = value === undefined ? undefined : first.get(value);
        if (earlier !== undefined)
          context.addIssue({ code: 'custom', path: [name, field], message: `is already used by ${earlier}` });
        else if (value !== undefined) first.set(value, name);
      }
    }
  });
