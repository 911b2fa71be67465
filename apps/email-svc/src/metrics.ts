import type { DispatchMetrics } from '@signalbox/outbound';
import { counter, gauge, histogram } from '@signalbox/telemetry';
import type { Step } from './email/email.ts';
import { failures as known } from './email/failures.ts';
import type { Suppression } from './suppression/suppression.rules.ts';

export const stateChanges = counter(
  'signalbox_emails_state_changes_total',
  'Moves of emails, by the state they reached',
  ['state', 'lane'],
);
export const failures = counter(
  'signalbox_emails_failures_total',
  'Emails that ended without delivery, by error code and class',
  ['code', 'class'],
);
export const repeats = counter('signalbox_emails_repeated_commands_total', 'Commands whose idempotency key was known', [
  'result',
]);
export const acceptSeconds = histogram(
  'signalbox_emails_queue_seconds',
  'From acceptance (or its sendAt) to the first call to the provider',
  ['lane'],
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600],
);
export const batchSize = histogram(
  'signalbox_emails_batch_size',
  'Emails that went through one call',
  [],
  [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
);
export const providerSeconds = histogram(
  'signalbox_provider_request_seconds',
  "Time until the provider's answer, by operation and HTTP status",
  ['operation', 'status'],
);
export const callbackOutcomes = counter(
  'signalbox_emails_callbacks_total',
  'Events applied, late, repeated, of an unknown kind, or without an email of ours',
  ['outcome'],
);
export const engagements = counter(
  'signalbox_emails_engagements_total',
  'What recipients did, by kind; machine_open is the proxy of a mail client',
  ['kind'],
);
export const rejoined = counter(
  'signalbox_emails_rejoined_events_total',
  'Events that found their email later, or never',
  ['result'],
);
export const doubleSends = counter(
  'signalbox_emails_double_sends_total',
  'Events that name a second message of the provider for one email: it was sent twice',
);
export const inDoubt = gauge(
  'signalbox_emails_in_doubt',
  'Attempts of which it is not known whether the provider took the email; the same in every replica',
);
export const doubtsSettled = counter(
  'signalbox_emails_doubts_settled_total',
  'Attempts in doubt that were settled, by what',
  ['by'],
);

export const dispatchMetrics: DispatchMetrics = {
  inFlight: gauge('signalbox_emails_in_flight', 'Emails in calls to the provider under way in this process'),
  sendAttempts: counter('signalbox_emails_send_attempts_total', 'Attempts to hand over, by what came of them', [
    'outcome',
  ]),
  circuitOpen: gauge(
    'signalbox_emails_circuit_open',
    "1 while the provider refuses the tenant's key or its scope: its emails are held",
    ['tenant'],
  ),
  concurrencyLimit: gauge(
    'signalbox_emails_concurrency_limit',
    'Emails at once that this process allows itself in calls for a tenant',
    ['tenant'],
  ),
};

const suppressionChanges = counter(
  'signalbox_suppression_changes_total',
  'Recipients who opted out or in again, and by what',
  ['state', 'reason'],
);
const emailsSuppressed = counter(
  'signalbox_emails_suppressed_total',
  'Emails not sent because the recipient is on the suppression list, by where it was noticed',
  ['stage'],
);
export const suppressionSyncs = counter(
  'signalbox_email_suppression_syncs_total',
  "Reads of SendGrid's suppression lists and changes told to it",
  ['direction', 'result'],
);
export const suppressionsUntold = gauge(
  'signalbox_email_suppressions_untold',
  'Changes of the suppression list that SendGrid has not been told yet; the same in every replica',
);

export const inboundReceived = counter(
  'signalbox_emails_received_total',
  'Emails that were received, by kind and by what links them to one of ours; repeats are a kind of their own',
  ['kind', 'reply'],
);

/** Counts what a transaction did; called after its commit. */
export function countSteps(steps: readonly Step[]): void {
  for (const { email, changes } of steps) {
    for (const change of changes) {
      stateChanges.inc({ state: change.to, lane: email.lane });
      if (change.error) failures.inc({ code: String(change.error.code), class: change.error.class });
      if (change.error?.code === known.suppressed.code) {
        emailsSuppressed.inc({ stage: change.from === null ? 'acceptance' : 'dispatch' });
      }
    }
  }
}

export function countSuppressions(changes: readonly Suppression[]): void {
  for (const { state, reason } of changes) suppressionChanges.inc({ state, reason });
}
