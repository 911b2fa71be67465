import { z } from 'zod';
import { tenantQuotas } from './quotas.ts';
import { voiceFlowFields } from './voice-flows.ts';
import { trunks } from './voice-trunks.ts';

const period = z.iso
  .duration()
  .refine((text) => !/^P(T?0[A-Z])*$/.test(text) && !text.startsWith('-'), 'must be an ISO 8601 duration, e.g. P30D');

export const voice = z.strictObject({
  ...voiceFlowFields,
  /** Of outbound calls; the account's rate is its calls per second at Twilio, 1 where nothing is said. */
  quotas: tenantQuotas.optional(),
  recordings: z
    .strictObject({
      /** After this long a recording is deleted at the provider; left out: it is kept. */
      retention: period.optional(),
    })
    .optional(),
  /** SIP trunks by their names, as they are to be at the provider. */
  trunks: trunks.optional(),
});

export type TenantVoice = z.output<typeof voice>;
