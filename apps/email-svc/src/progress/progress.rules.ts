import { describeFailure } from '@signalbox/twilio';
import { move, type Step } from '../email/email.ts';
import { stateOfStatus } from '../email/email.state.ts';

/** What the provider says of an email. */
export interface ProviderReport {
  readonly resourceSid: string;
  readonly status: string;
  readonly errorCode: number | null;
}

/** `applied` moved it; `ignored` came after something further on; `unknown` is a status we have no word for. */
export type ReportOutcome = 'applied' | 'ignored' | 'unknown';

/** Applies a report: forward only, so shuffled, repeated and late reports end where the ordered run ends. */
export function advance(step: Step, report: ProviderReport, now: Date): { step: Step; outcome: ReportOutcome } {
  const target = stateOfStatus(report.status);
  if (target === undefined) return { step, outcome: 'unknown' };
  const moved = move(step, target, now.toISOString(), {
    providerSid: step.email.providerSid ?? report.resourceSid,
    ...(target === 'failed' && { error: describeFailure(report.errorCode) }),
  });
  return { step: moved, outcome: moved === step ? 'ignored' : 'applied' };
}
