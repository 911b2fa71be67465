import { z } from 'zod';
import { verifyChannels, verifyLimits } from './verify-limits.ts';
import { verifyServices } from './verify-services.ts';

export const verify = z
  .strictObject({
    /** By the names that requests use. */
    services: verifyServices,
    /** Used when a request names none; may be left out where there is one. */
    defaultService: z.string().optional(),
    limits: verifyLimits.optional(),
    channels: verifyChannels.optional(),
    /** `observe`: what the fraud guard finds is told and counted, but sent all the same. */
    guard: z.enum(['enforce', 'observe']).optional(),
    /** ISO 3166: numbers of other countries get no code. Left out: all. */
    countries: z
      .array(z.string().regex(/^[A-Z]{2}$/))
      .min(1)
      .optional(),
  })
  .transform((value) => ({ ...value, defaultService: value.defaultService ?? Object.keys(value.services)[0] }))
  .superRefine(({ services, defaultService }, context) => {
    if (defaultService === undefined) context.addIssue({ code: 'custom', path: ['services'], message: 'is empty' });
    else if (!Object.hasOwn(services, defaultService))
      context.addIssue({ code: 'custom', path: ['defaultService'], message: 'is not in services' });
  });

export type TenantVerify = z.output<typeof verify>;
