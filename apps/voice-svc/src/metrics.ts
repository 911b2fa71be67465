import type { DispatchMetrics } from '@signalbox/outbound';
import { counter, gauge, histogram } from '@signalbox/telemetry';
import type { Step } from './call/call.ts';

export const stateChanges = counter(
  'signalbox_calls_state_changes_total',
  'Moves of calls, by the state they reached',
  ['state'],
);
export const failures = counter(
  'signalbox_calls_failures_total',
  'Calls and tries of calls that reached nobody, by error code and class',
  ['code', 'class'],
);
export const repeats = counter('signalbox_calls_repeated_commands_total', 'Commands whose idempotency key was known', [
  'result',
]);
export const turnedAway = counter(
  'signalbox_calls_turned_away_total',
  'Requests that were not taken because too many calls of their tenant wait already',
  ['tenant'],
);
export const callbackOutcomes = counter(
  'signalbox_calls_callbacks_total',
  'Callbacks applied, late, repeated, with an unknown status, or without a call of ours',
  ['outcome'],
);
export const queueSeconds = histogram(
  'signalbox_calls_queue_seconds',
  'From acceptance to the first call to the provider',
  ['lane'],
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600],
);
export const providerSeconds = histogram(
  'signalbox_provider_request_seconds',
  "Time until the provider's answer, by operation and HTTP status",
  ['operation', 'status'],
);
export const doubleCalls = counter(
  'signalbox_calls_double_total',
  'Reports that name a second call of the provider for one round of ours: it was placed twice',
);
export const reconciled = counter(
  'signalbox_calls_reconciled_total',
  'Attempts in doubt and silent calls, by what the provider said when asked',
  ['verdict'],
);
export const inDoubt = gauge(
  'signalbox_calls_in_doubt',
  'Attempts of which it is not known whether the provider took the call',
);

const sendAttempts = counter('signalbox_calls_send_attempts_total', 'Calls to place a call, by what came of them', [
  'outcome',
]);
const inFlight = gauge('signalbox_calls_in_flight', 'Calls to the provider under way in this process');
const circuitOpen = gauge(
  'signalbox_calls_circuit_open',
  "1 while the provider refuses the tenant's credentials: its calls are held",
  ['tenant'],
);
const concurrencyLimit = gauge(
  'signalbox_calls_concurrency_limit',
  'Calls at once that this process allows itself to the account of a tenant',
  ['tenant'],
);
export const dispatchMetrics: DispatchMetrics = { inFlight, sendAttempts, circuitOpen, concurrencyLimit };

export const recordingChanges = counter('signalbox_recordings_changes_total', 'Recordings, by the state they reached', [
  'state',
]);
export const recordingAccesses = counter(
  'signalbox_recordings_accesses_total',
  'Requests for the sound of a recording, by HTTP status',
  ['status'],
);
export const deletionsOverdue = gauge(
  'signalbox_recordings_deletions_overdue',
  'Recordings whose time was over an hour ago and that are not proven to be deleted, by tenant; the same in every replica',
  ['tenant'],
);
export const retained = counter(
  'signalbox_retention_rows_total',
  'Rows that were redacted or deleted because their time was over, by table',
  ['table', 'what'],
);
const conferenceEvents = counter('signalbox_conference_events_total', 'What happened in conferences', ['kind']);

/** A callback may name any kind, and each would be a series for ever. */
const conferenceKinds: ReadonlySet<string> = new Set([
  'conference-start',
  'conference-end',
  'participant-join',
  'participant-leave',
  'participant-mute',
  'participant-unmute',
  'participant-hold',
  'participant-unhold',
  'participant-modify',
  'participant-speech-start',
  'participant-speech-stop',
  'announcement-end',
  'announcement-fail',
]);

export function countConferenceEvent(kind: string): void {
  conferenceEvents.inc({ kind: conferenceKinds.has(kind) ? kind : 'other' });
}

/** Counts what a committed transaction did. */
export function countSteps(steps: readonly Step[]): void {
  for (const { changes } of steps) {
    for (const { to, error } of changes) {
      stateChanges.inc({ state: to });
      if (error) failures.inc({ code: String(error.code), class: error.class });
    }
  }
}
