import { milliseconds } from '@signalbox/domain-service';
import { addressRange } from '@signalbox/tenants';
import { z } from 'zod';

export const commaSeparated = (text = ''): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');

const ranges = z.string().default('').transform(commaSeparated).pipe(z.array(addressRange));

/** What answering calls needs of the environment. */
export const twimlConfig = {
  FLOWS_DIR: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'a directory of flows, <tenant>/<name>.yaml, that are taken up at start' }),
  STEP_PATIENCE_MS: milliseconds(2_000, 'how long a caller waits for the database before the call goes on without it'),
  FLOW_HTTP_PRIVATE_RANGES: ranges.meta({
    description:
      'private addresses that http nodes may ask, as CIDR ranges, comma-separated; there plain http is possible',
  }),
  TRUSTED_PROXIES: ranges.meta({
    description: 'proxies whose X-Forwarded-For is believed, as CIDR ranges; it says which source is rate-limited',
  }),
  UNAUTHENTICATED_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .default(300)
    .meta({ description: 'requests per source that fail to prove themselves before they are answered 429' }),
};
