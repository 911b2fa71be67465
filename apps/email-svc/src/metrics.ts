import type { DispatchMetrics } from '@signalbox/outbound';
import { counter, gauge, histogram } from '@signalbox/telemetry';
import type { StreamKey } from './deliverability/count.rules.ts';
import type { DomainReport } from './deliverability/domain.rules.ts';
import type { Email, Step } from './email/email.ts';
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
export const turnedAway = counter(
  'signalbox_emails_turned_away_total',
  'Requests that were not taken because too many emails of their tenant wait already',
  ['tenant'],
);
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
  'Changes of the suppression list that SendGrid has not been told after five minutes; the same in every replica',
);

export const inboundReceived = counter(
  'signalbox_emails_received_total',
  'Emails that were received, by kind and by what links them to one of ours; repeats are a kind of their own',
  ['kind', 'reply'],
);

export const retained = counter(
  'signalbox_retention_rows_total',
  'Rows that lost their content, were ended or deleted because of their age or an erasure',
  ['table', 'what'],
);

export const templateLookUps = counter(
  'signalbox_email_template_lookups_total',
  "Calls whose template was looked for among SendGrid's: ok, not_applied, or failed where they could not be read",
  ['tenant', 'result'],
);

export const domainChecks = counter(
  'signalbox_email_domain_checks_total',
  'Checks of domains that emails are from: ok, faulty, or unknown where SendGrid or DNS gave no answer',
  ['result'],
);

/** What deliverability tells when it is scraped. */
export interface DeliverabilitySources {
  readonly rates: () => Promise<readonly (StreamKey & { readonly measure: string; readonly rate: number })[]>;
  readonly heldBack: () => Promise<readonly (StreamKey & { readonly state: string })[]>;
  readonly domains: () => Promise<
    readonly { readonly tenant: string; readonly domain: string; readonly report: DomainReport | null }[]
  >;
}

/** Reports how mailbox providers take what is sent, the same in every replica. */
export function reportDeliverability({ rates, heldBack, domains }: DeliverabilitySources): void {
  gauge(
    'signalbox_email_stream_rate',
    'Share of complaints, bounces and blocks in the window of a stream to a mailbox provider that has enough volume; the same in every replica',
    ['tenant', 'stream', 'provider', 'measure'],
    async (metric) => {
      const found = await rates();
      metric.reset();
      for (const { tenant, stream, provider, measure, rate } of found) {
        metric.set({ tenant, stream, provider, measure }, rate);
      }
    },
  );
  gauge(
    'signalbox_email_streams_held_back',
    '1 for a stream to a mailbox provider that is throttled or stopped; the same in every replica',
    ['tenant', 'stream', 'provider', 'state'],
    async (metric) => {
      const found = await heldBack();
      metric.reset();
      for (const { tenant, stream, provider, state } of found) metric.set({ tenant, stream, provider, state }, 1);
    },
  );
  gauge(
    'signalbox_email_domain_faults',
    '1 for a fault of a domain that emails are from, as last checked; the same in every replica',
    ['tenant', 'domain', 'fault'],
    async (metric) => {
      const found = await domains();
      metric.reset();
      for (const { tenant, domain, report } of found) {
        for (const { code } of report?.faults ?? []) metric.set({ tenant, domain, fault: code }, 1);
      }
    },
  );
}

const warmupOverflow = counter(
  'signalbox_email_warmup_overflow_total',
  'Attempts that went another way than the IP pool they were meant for, because it warms up',
  ['tenant', 'pool', 'why'],
);
export const poolChecks = counter(
  'signalbox_email_ip_pool_checks_total',
  "Calls whose IP pool was looked for among SendGrid's: known, unknown (held), unreadable (sent unchecked)",
  ['result'],
);

/** Counts an attempt that does not go through the pool it was meant for. */
export function countOverflow({ tenant, pool }: Pick<Email, 'tenant' | 'pool'>): void {
  if (pool?.insteadOf) warmupOverflow.inc({ tenant, pool: pool.insteadOf.pool, why: pool.insteadOf.why });
}

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
