import { counter } from '@signalbox/telemetry';
import type { Step } from './email/email.ts';

export const stateChanges = counter(
  'signalbox_emails_state_changes_total',
  'Moves of emails, by the state they reached',
  ['state'],
);
export const failures = counter('signalbox_emails_failures_total', 'Emails that failed, by error code and class', [
  'code',
  'class',
]);
export const repeats = counter('signalbox_emails_repeated_commands_total', 'Commands whose idempotency key was known', [
  'result',
]);
export const callbackOutcomes = counter(
  'signalbox_emails_callbacks_total',
  'Callbacks applied, late, repeated, with an unknown status, or without an email of ours',
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
