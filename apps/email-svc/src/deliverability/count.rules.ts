import type { Lane } from '@signalbox/contracts';
import { domainOf, readAddress } from '../email/address.rules.ts';
import type { Email, StateChange, Step } from '../email/email.ts';
import { emailMachine } from '../email/email.state.ts';
import { failures } from '../email/failures.ts';
import { mailboxProviderOf } from '../mailbox/mailbox.rules.ts';

/** What is sent in the bulk lane, and what is not: mailbox providers judge marketing and receipts apart. */
export const streams = ['bulk', 'transactional'] as const;
export type StreamName = (typeof streams)[number];

/** One stream of a tenant's emails, as a mailbox provider sees it. */
export interface StreamKey {
  readonly tenant: string;
  readonly stream: StreamName;
  readonly provider: string;
}

export const measured = [
  /** Emails that the provider took or sent back, each once. */
  'attempted',
  'delivered',
  'hard_bounces',
  'soft_bounces',
  'blocks',
  'complaints',
  'opens',
  /** By proxies of mail clients; nobody may have looked. */
  'machine_opens',
] as const;

export type Counts = Readonly<Record<(typeof measured)[number], number>>;

export const noCounts: Counts = {
  attempted: 0,
  delivered: 0,
  hard_bounces: 0,
  soft_bounces: 0,
  blocks: 0,
  complaints: 0,
  opens: 0,
  machine_opens: 0,
};

/** What a batch of events added to one stream in one hour. */
export interface Delta extends StreamKey, Counts {
  readonly from_domain: string;
  /** Its beginning, ISO 8601. */
  readonly hour: string;
}

export function streamOf(lane: Lane): StreamName {
  return lane === 'bulk' ? 'bulk' : 'transactional';
}

/** What tells an email's stream. A tenant's own name of a mailbox provider stands in `pool`, from the way that `waysOf` finds. */
export type StreamEmail = Pick<Email, 'tenant' | 'lane' | 'to' | 'pool'>;

export function streamKeyOf({ tenant, lane, to, pool }: StreamEmail): StreamKey {
  return { tenant, stream: streamOf(lane), provider: pool?.provider ?? mailboxProviderOf(to) };
}

export function keyOf({ tenant, stream, provider }: StreamKey): string {
  return `${tenant} ${stream} ${provider}`;
}

/** The counts alone. */
export function countsIn(row: Counts): Counts {
  return add(row, noCounts);
}

export function add(a: Counts, b: Counts): Counts {
  return Object.fromEntries(measured.map((name) => [name, a[name] + b[name]])) as Counts;
}

/** Never below zero. */
export function subtract(a: Counts, b: Counts): Counts {
  return Object.fromEntries(measured.map((name) => [name, Math.max(0, a[name] - b[name])])) as Counts;
}

/** Adds up what events made of emails, by stream and sender's domain, for the hour in which they are applied. */
export function deltasOf(steps: readonly Step[], now: Date): Delta[] {
  const hour = hourOf(now).toISOString();
  const deltas = new Map<string, Delta>();
  for (const step of steps) {
    const counts = countsOf(step);
    if (!counts) continue;
    const key = streamKeyOf(step.email);
    const from_domain = senderDomainOf(step.email);
    const name = `${keyOf(key)} ${from_domain}`;
    const known = deltas.get(name);
    deltas.set(name, { ...key, from_domain, hour, ...add(known ?? noCounts, counts) });
  }
  return [...deltas.values()];
}

export function senderDomainOf({ from }: Pick<Email, 'from'>): string {
  return domainOf(readAddress(from)?.email ?? from.toLowerCase());
}

export function hourOf(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 3_600_000) * 3_600_000);
}

/** Undefined where there is nothing to count. */
function countsOf({ before, email, changes }: Step): Counts | undefined {
  const opens = email.opens - (before?.opens ?? 0);
  const machine_opens = email.machineOpens - (before?.machineOpens ?? 0);
  const told = changes.filter(({ to }) => to === 'delivered' || to === 'bounced' || to === 'complained');
  if (told.length === 0 && opens === 0 && machine_opens === 0) return undefined;
  const count = (isIt: (change: StateChange) => boolean) => told.filter(isIt).length;
  const bounced = (code: string) => count(({ to, error }) => to === 'bounced' && error?.code === code);
  return {
    attempted: count(isFirst),
    // Who complains has it, also when the event of the delivery comes later or never.
    delivered: count((change) => change.to === 'delivered' || (change.to === 'complained' && isFirst(change))),
    hard_bounces: bounced(failures.hardBounce.code),
    soft_bounces: bounced(failures.softBounce.code),
    blocks: bounced(failures.blocked.code),
    complaints: count(({ to }) => to === 'complained'),
    opens,
    machine_opens,
  };
}

/** Whether it is the first that is known of what the provider made of the email. */
function isFirst({ from }: StateChange): boolean {
  return from === null || emailMachine[from].progress < emailMachine.delivered.progress;
}
