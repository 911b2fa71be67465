import { counter } from '@signalbox/telemetry';
import type { Step } from './call/call.ts';

export const stateChanges = counter(
  'signalbox_calls_state_changes_total',
  'Moves of calls, by the state they reached',
  ['state'],
);
export const failures = counter('signalbox_calls_failures_total', 'Calls that failed, by error code and class', [
  'code',
  'class',
]);
export const repeats = counter('signalbox_calls_repeated_commands_total', 'Commands whose idempotency key was known', [
  'result',
]);
export const callbackOutcomes = counter(
  'signalbox_calls_callbacks_total',
  'Callbacks applied, late, repeated, with an unknown status, or without a call of ours',
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
