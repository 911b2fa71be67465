import { type AnomalyClosed, type AnomalyOpened, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { eventSource } from '../message/message.events.ts';
import type { Dimension } from './errors.rules.ts';

/** What the messages of one scope did lately, and what is usual for it. */
export interface Look {
  readonly tenant: string;
  readonly dimension: Dimension;
  readonly value: string;
  /** Delivered and failed. */
  readonly volume: number;
  readonly failures: number;
  readonly usualVolume: number;
  readonly usualFailures: number;
}

export interface Anomaly {
  readonly id: string;
  readonly tenant: string;
  readonly kind: AnomalyOpened['kind'];
  readonly scope: Readonly<Record<string, string>>;
  readonly openedAt: string;
  readonly closedAt: string | null;
  /** The next three as last looked at; the baseline stays that of the opening, so that failures do not become usual while it is open. */
  readonly volume: number;
  readonly rate: number;
  readonly baseline: number;
}

/** What a scope without history is taken to have: so many messages, so many of them failed. */
const prior = { volume: 100, failures: 3 };

export function baselineOf({ usualVolume, usualFailures }: Look): number {
  return (usualFailures + prior.failures) / (usualVolume + prior.volume);
}

/** The rate at which an anomaly opens: twice what is usual, and ten points above it at least. */
export function openingRate(baseline: number): number {
  return Math.min(1, baseline + Math.max(0.1, Math.min(baseline, (1 - baseline) / 2)));
}

/** The rate at which it closes: half of the way back. */
export function closingRate(baseline: number): number {
  return (baseline + openingRate(baseline)) / 2;
}

/**
 * Opens when the rate is far above the scope's baseline and chance does not explain it (four standard deviations), on a
 * volume worth speaking of. Closes half of the way back, or when fewer than half of that volume are left. Between the two
 * nothing changes, so that a rate that wavers at either threshold does not open and close it again and again.
 */
export function judge(
  open: Pick<Anomaly, 'baseline'> | undefined,
  look: Look,
  minVolume: number,
): 'open' | 'close' | 'keep' {
  const rate = rateOf(look);
  if (open) {
    return look.volume < minVolume / 2 || rate <= closingRate(open.baseline) ? 'close' : 'keep';
  }
  const baseline = baselineOf(look);
  const deviation = Math.sqrt((baseline * (1 - baseline)) / look.volume);
  const far = rate >= openingRate(baseline) && rate - baseline >= 4 * deviation;
  return look.volume >= minVolume && far ? 'open' : 'keep';
}

export function rateOf({ volume, failures }: Pick<Look, 'volume' | 'failures'>): number {
  return volume === 0 ? 0 : failures / volume;
}

/** E.g. `country=US`. */
export function scopeKey(scope: Readonly<Record<string, string>>): string {
  return Object.entries(scope)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}

export function toAnomalyEvent(anomaly: Anomaly): OutgoingEvent {
  const { id, tenant, kind, scope, openedAt, closedAt, volume, rate, baseline } = anomaly;
  const data: AnomalyOpened = {
    anomalyId: id,
    tenant,
    kind,
    scope,
    at: closedAt ?? openedAt,
    volume,
    rate,
    baseline,
  };
  return {
    topic: topics.analyticsEvents.name,
    key: `${tenant}:${scopeKey(scope)}`,
    event: {
      id: `${id}.${closedAt === null ? 'opened' : 'closed'}`,
      source: eventSource,
      type: closedAt === null ? 'analytics.anomaly.opened.v1' : 'analytics.anomaly.closed.v1',
      time: data.at,
      subject: id,
      data: closedAt === null ? data : ({ ...data, openedAt } satisfies AnomalyClosed),
    },
  };
}
