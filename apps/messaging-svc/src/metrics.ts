import type { DispatchMetrics } from '@signalbox/outbound';
import { counter, gauge, histogram } from '@signalbox/telemetry';
import type { MessageHead, Step } from './message/message.ts';
import { type Suppression, suppressed } from './suppression/suppression.rules.ts';

export const stateChanges = counter(
  'signalbox_messages_state_changes_total',
  'Moves of messages, by the state they reached',
  ['state', 'channel'],
);
export const failures = counter(
  'signalbox_messages_failures_total',
  'Messages that ended without delivery, by error code and class',
  ['code', 'class'],
);
const sendAttempts = counter('signalbox_messages_send_attempts_total', 'Calls to send, by what came of them', [
  'outcome',
]);
export const providerSeconds = histogram(
  'signalbox_provider_request_seconds',
  "Time until the provider's answer, by operation and HTTP status",
  ['operation', 'status'],
);
export const acceptSeconds = histogram(
  'signalbox_messages_queue_seconds',
  'From acceptance (or its sendAt) to the first call to the provider',
  ['lane'],
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600],
);
export const repeats = counter(
  'signalbox_messages_repeated_commands_total',
  'Commands whose idempotency key was known',
  ['result'],
);
export const turnedAway = counter(
  'signalbox_messages_turned_away_total',
  'Requests not taken because as many messages of the tenant wait to be sent as may',
  ['tenant'],
);
export const callbackOutcomes = counter(
  'signalbox_messages_callbacks_total',
  'Callbacks applied, late, repeated, with an unknown status, or without a message of ours',
  ['outcome'],
);
export const unknownStatuses = counter(
  'signalbox_messages_unknown_status_total',
  'Provider statuses we have no word for; they are kept in the history',
);
export const doubleSends = counter(
  'signalbox_messages_double_sends_total',
  'Callbacks that name a second message of the provider for one of ours: it was sent twice',
);
export const reconciled = counter(
  'signalbox_messages_reconciled_total',
  'Attempts in doubt and silent messages, by what the provider said when asked',
  ['verdict'],
);
export const fallbacks = counter('signalbox_messages_fallbacks_total', 'Fallback steps taken, by channel', ['channel']);
export const inDoubt = gauge(
  'signalbox_messages_in_doubt',
  'Attempts of which it is not known whether the provider took the message',
);
const inFlight = gauge('signalbox_messages_in_flight', 'Calls to the provider under way in this process');

export const circuitOpen = gauge(
  'signalbox_messages_circuit_open',
  "1 while the provider refuses the tenant's credentials: its messages are held",
  ['tenant'],
);
export const concurrencyLimit = gauge(
  'signalbox_messages_concurrency_limit',
  'Calls at once that this process allows itself to the account of a tenant',
  ['tenant'],
);
export const dispatchMetrics: DispatchMetrics = { inFlight, sendAttempts, circuitOpen, concurrencyLimit };

const suppressionChanges = counter(
  'signalbox_suppression_changes_total',
  'Recipients who opted out or in again, and by what',
  ['state', 'reason'],
);
const messagesSuppressed = counter(
  'signalbox_messages_suppressed_total',
  'Messages not sent because the recipient has opted out, by where it was noticed',
  ['stage'],
);

export const anomaliesOpen = gauge(
  'signalbox_analytics_anomalies_open',
  'Anomalies that are open, by kind; the same in every replica',
  ['kind'],
);
export const analyticsLag = gauge(
  'signalbox_analytics_unfolded',
  'Counts that wait to be folded into the rollups; the same in every replica',
);
export const retained = counter(
  'signalbox_retention_rows_total',
  'Rows that were redacted or deleted because their time was over, by table',
  ['table', 'what'],
);

/** Counts what a transaction did; called after its commit. */
export function countSteps(steps: readonly Step<MessageHead>[]): void {
  for (const { message, changes } of steps) {
    for (const change of changes) {
      stateChanges.inc({ state: change.to, channel: message.channel });
      if (change.error) failures.inc({ code: String(change.error.code), class: change.error.class });
      if (change.error?.code === suppressed.code) {
        messagesSuppressed.inc({ stage: change.from === null ? 'acceptance' : 'dispatch' });
      }
    }
  }
}

export function countSuppressions(changes: readonly Suppression[]): void {
  for (const { state, reason } of changes) suppressionChanges.inc({ state, reason });
}
