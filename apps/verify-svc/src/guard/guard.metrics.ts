import { counter, gauge } from '@signalbox/telemetry';

export const guardFindings = counter(
  'signalbox_verify_guard_findings_total',
  'Verifications that the fraud guard found fault with, by reason; refused: false where it only observes',
  ['reason', 'refused'],
);
export const guardBlocks = counter(
  'signalbox_verify_guard_blocks_total',
  'Blocks of prefixes that began and ended, by who or what did it',
  ['what', 'by'],
);
export const blockedPrefixes = gauge(
  'signalbox_verify_blocked_prefixes',
  'Prefixes to which no codes are sent, by who blocked them; the same in every replica',
  ['made_by'],
);
export const guardLag = gauge(
  'signalbox_verify_guard_unfolded',
  'Counts that wait to be added to those of their prefixes; the same in every replica',
);
