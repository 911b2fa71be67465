import type { Logger } from '@signalbox/telemetry';
import type { Block } from './block.ts';
import { guardBlocks } from './guard.metrics.ts';

/** Counts and logs blocks that began or ended; after the commit. */
export function reportBlocks(log: Logger, blocks: readonly Block[]): void {
  for (const { tenant, prefix, level, madeBy, signs, endedBy } of blocks) {
    guardBlocks.inc({ what: endedBy === null ? 'began' : 'ended', by: endedBy ?? madeBy });
    // Without its plus, or the log would take it for a number and mask it; one that is blocked by hand may be a number.
    const facts = { tenant, prefix: level === 'manual' ? prefix : prefix.slice(1), level, madeBy, signs, endedBy };
    if (endedBy === null) log.warn(facts, 'no more codes are sent to a prefix');
    else log.info(facts, 'codes are sent to a prefix again');
  }
}
