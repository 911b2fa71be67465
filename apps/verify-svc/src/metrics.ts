import type { VerifyChannel } from '@signalbox/contracts';
import { counter, gauge, histogram } from '@signalbox/telemetry';
import type { LimitScope } from './limits/window.rules.ts';
import type { Attempt } from './send/attempt.ts';
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
  'Events of the provider applied, late, repeated, with an unknown status, or without a verification of ours',
  ['outcome'],
);
export const limited = counter(
  'signalbox_verifications_limited_total',
  'Codes that were not sent or not checked because of a limit, by its scope',
  ['scope'],
);
export const sends = counter(
  'signalbox_verifications_sends_total',
  'Codes asked to be sent, by channel, why, and what came of it',
  ['channel', 'why', 'outcome'],
);
export const checks = counter('signalbox_verifications_checks_total', 'Codes that were checked, by what came of it', [
  'outcome',
]);
export const converted = counter(
  'signalbox_verifications_converted_total',
  'Verifications in which a code was sent that have ended, by the last channel and whether the right code came back',
  ['channel', 'approved'],
);
export const doubtsSettled = counter(
  'signalbox_verifications_doubts_settled_total',
  'Attempts in doubt of which it was found out whether the provider had taken them',
  ['outcome'],
);
export const credentialsRefused = counter(
  'signalbox_verifications_credentials_refused_total',
  "Calls of which the provider refused the tenant's credentials",
  ['tenant'],
);
export const retained = counter(
  'signalbox_retention_rows_total',
  'Rows that were redacted or deleted because their time was over, by table',
  ['table', 'what'],
);
export const providerSeconds = histogram(
  'signalbox_provider_request_seconds',
  'Time the provider takes to answer, by operation and HTTP status',
  ['operation', 'status'],
);

/** Counts what a committed transaction did. */
export function countSteps(steps: readonly Step[]): void {
  for (const { verification, changes } of steps) {
    for (const { to, error } of changes) {
      stateChanges.inc({ state: to });
      if (to === 'failed' && error) failures.inc({ code: String(error.code), class: error.class });
      const channel: VerifyChannel | undefined = verification.plan[verification.position]?.channel;
      const ended = to === 'approved' || to === 'denied' || to === 'expired';
      if (ended && channel && verification.refused === null && verification.lastSentAt !== null)
        converted.inc({ channel, approved: String(to === 'approved') });
    }
  }
}

export function countAttempt({ channel, why, state }: Attempt): void {
  sends.inc({ channel, why, outcome: state });
}

export function countLimited(scope: LimitScope | 'checks'): void {
  limited.inc({ scope });
}

/** Looked up when it is scraped; every replica reports it, take the max. */
export function reportDoubts(count: () => Promise<number>): void {
  gauge(
    'signalbox_verifications_in_doubt',
    'Attempts of which it is not known whether the provider took them; every replica reports it, take the max',
    [],
    async (metric) => metric.set(await count()),
  );
}
