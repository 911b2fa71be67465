import { z } from 'zod';
import { totpKeys } from './keys.ts';

/** What TOTP reads of the environment; a part of the service's. */
export const totpSettings = {
  TOTP_KEYS: totpKeys.meta({
    description:
      'keys that seal the secrets of authenticators, id=env:NAME or id=file:/path, the current one first; without them nobody can enrol one',
  }),
  TOTP_DRIFT_STEPS: z.coerce
    .number()
    .int()
    .min(0)
    .max(2)
    .default(1)
    .meta({ description: 'steps of 30 s that the clock of an authenticator may be off, either way' }),
};
