import { describeFailure } from '@signalbox/twilio';

export const dimensions = ['country', 'prefix', 'carrier', 'sender', 'code'] as const;
export type Dimension = (typeof dimensions)[number];

const hour = 3_600_000;
const day = 24 * hour;

/** Windows up to this long are told to the hour, longer ones to the UTC day. */
export const hourlyWindowMs = 3 * day;
/** How far back the hours are kept, and the days. */
export const hourlyKeptMs = 35 * day;
export const dailyKeptMs = 800 * day;

export interface Window {
  readonly table: 'analytics_hourly' | 'analytics_daily';
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
}

/** The whole hours or days that the wish touches. */
export function windowOf(from: Date, to: Date, now: Date): Window {
  const hourly = to.getTime() - from.getTime() <= hourlyWindowMs && now.getTime() - from.getTime() <= hourlyKeptMs;
  const unit = hourly ? hour : day;
  return {
    table: hourly ? 'analytics_hourly' : 'analytics_daily',
    from: new Date(Math.floor(from.getTime() / unit) * unit),
    to: new Date(Math.ceil(to.getTime() / unit) * unit),
  };
}

export interface CodeMeaning {
  readonly class: string | null;
  readonly title: string;
  readonly remedy: string;
}

/** What a code of the rollups means: of the provider's from the catalogue, of ours what its name says. */
export function meaningOf(code: string): CodeMeaning {
  const http = /^http_(\d{3})$/.exec(code)?.[1];
  if (/^\d+$/.test(code)) return describeFailure(Number(code));
  if (http !== undefined) return describeFailure(null, Number(http));
  return {
    class: null,
    title: `Not handed over: ${code.replaceAll('_', ' ')}`,
    remedy: 'The error of each such message says what to do: GET /v1/messages?state=rejected.',
  };
}

/** Share of what the carrier answered for; null when it answered for nothing. */
export function failureRate(failures: number, ended: number): number | null {
  return ended === 0 ? null : Math.round((failures / ended) * 1e6) / 1e6;
}
