import { milliseconds } from '@signalbox/domain-service';

/** What the guard reads of the environment; a part of the service's. */
export const guardSettings = {
  GUARD_BLOCK_MS: milliseconds(
    6 * 3_600_000,
    'how long the guard blocks a prefix, and how far back it looks at a thousand numbers, an address or a user',
  ),
  GUARD_FOLD_MS: milliseconds(500, 'how often what was started and approved is counted for wider prefixes'),
};
