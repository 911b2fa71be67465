import { counter } from '@signalbox/telemetry';
import type { Step } from './verification/verification.ts';

export const stateChanges = counter(
  'signalbox_verifications_state_changes_total',
  'Moves of verifications, by the state they reached',
  ['state'],
);
export const failures = counter(
  'signalbox_verifications_failures_total',
  'Verifications that failed, by error code and class',
  ['code', 'class'],
);
export const repeats = counter(
  'signalbox_verifications_repeated_commands_total',
  'Commands whose idempotency key was known',
  ['result'],
);
export const callbackOutcomes = counter(
  'signalbox_verifications_callbacks_total',
  'Callbacks applied, late, repeated, with an unknown status, or without a verification of ours',
  ['outcome'],
);

/** Counts what a committed transaction did. */
export function countSteps(steps: readonly Step[]): void {
  for (const { changes } of steps) {
    for (const { to, error } of changes) {
      stateChanges.inc({ state: to });
      if (error) failures.inc({ code: String(error.code), class: error.class });
    }
  }
}
