import { nameValue, type QuotaKind } from '@signalbox/outbound';
import type { EmailDeliverability } from '@signalbox/tenants';
import { type StreamEmail, type StreamKey, streamKeyOf } from './count.rules.ts';
import type { Hour, Stream } from './stream.state.ts';

/** By what a throttled or stopped stream is held back: a quota with a rate, or a cap of none. */
export const streamQuota: QuotaKind<StreamEmail> = {
  name: 'stream',
  plural: 'streams',
  description: 'a stream to a mailbox provider that deliverability holds back, e.g. bulk@gmail',
  imposed: true,
  // Codes and alerts are never held back for what a campaign has done.
  of: (email) => (email.lane === 'critical' ? [] : [valueOf(streamKeyOf(email))]),
  value: nameValue,
};

export function valueOf({ stream, provider }: Pick<StreamKey, 'stream' | 'provider'>): string {
  return `${stream}@${provider}`;
}

/** What holds a stream back; undefined for one that goes as it likes. */
export function limitsOf(
  { state }: Pick<Stream, 'state'>,
  throttledRate: number,
): { readonly rate: number | null; readonly dailyCap: number | null } | undefined {
  switch (state) {
    case 'ok':
      return undefined;
    case 'throttled':
      return { rate: throttledRate, dailyCap: null };
    case 'stopped':
      return { rate: null, dailyCap: 0 };
  }
}

/** Emails per second of a stream that is throttled: as the tenant says, else a tenth of its busiest hour, and 1 at least. */
export function throttledRateOf(
  hours: readonly Hour[],
  { throttledRate }: Pick<EmailDeliverability, 'throttledRate'>,
): number {
  const busiest = Math.max(0, ...hours.map(({ counts }) => counts.attempted));
  return throttledRate ?? Math.max(1, Math.round(busiest / 36_000));
}
