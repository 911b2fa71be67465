import type { Failure } from '@signalbox/contracts';
import { describeFailure } from '@signalbox/twilio';

export const dimensions = ['country', 'prefix', 'carrier', 'sender', 'code'] as const;
export type Dimension = (typeof dimensions)[number];

const hour = 3_600_000;
const day = 24 * hour;

/** Windows up to this long are told to the hour, longer ones to the UTC day. */
const hourlyWindowMs = 3 * day;
/** How far back the hours are kept, and the days. */
export const hourlyKeptMs = 35 * day;
export const dailyKeptMs = 800 * day;

/** What was asked for, in whole hours or UTC days. */
export interface Window {
  readonly unit: 'hour' | 'day';
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
}

/** The whole hours or days that the wish touches. */
export function windowOf(from: Date, to: Date, now: Date): Window {
  const hourly = to.getTime() - from.getTime() <= hourlyWindowMs && now.getTime() - from.getTime() <= hourlyKeptMs;
  const unit = hourly ? hour : day;
  return {
    unit: hourly ? 'hour' : 'day',
    from: new Date(Math.floor(from.getTime() / unit) * unit),
    to: new Date(Math.ceil(to.getTime() / unit) * unit),
  };
}

/** The first and the last day with running totals: of all days before it. */
export interface Closed {
  readonly since: Date;
  readonly until: Date;
}

/** Rows that make up a window when they are added up; of running totals what they grew by between the two days. */
export interface Part {
  readonly table: 'analytics_hourly' | 'analytics_daily' | 'analytics_running';
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
}

/** Where to read a window: the days of it that are closed as a difference of running totals, what is around them as it is. */
export function partsOf({ unit, from, to }: Window, closed: Closed | undefined): Part[] {
  const table = unit === 'hour' ? 'analytics_hourly' : 'analytics_daily';
  const first = Math.max(Math.ceil(from.getTime() / day) * day, closed?.since.getTime() ?? Infinity);
  const last = Math.min(Math.floor(to.getTime() / day) * day, closed?.until.getTime() ?? -Infinity);
  if (last - first < day) return [{ table, from, to }];
  const parts: Part[] = [
    { table, from, to: new Date(first) },
    { table: 'analytics_running', from: new Date(first), to: new Date(last) },
    { table, from: new Date(last), to },
  ];
  return parts.filter((part) => part.from < part.to);
}

export interface CodeMeaning {
  readonly class: string | null;
  readonly title: string;
  readonly remedy: string;
  /** As a `Failure` has it. */
  readonly runbook?: string | null | undefined;
}

/** What a code of the rollups means: of the provider's from the catalogue, of ours what its name says. */
export function meaningOf(code: string): CodeMeaning {
  const http = /^http_(\d{3})$/.exec(code)?.[1];
  if (/^\d+$/.test(code)) return toMeaning(describeFailure(Number(code)));
  if (http !== undefined) return toMeaning(describeFailure(null, Number(http)));
  return {
    class: null,
    title: `Not handed over: ${code.replaceAll('_', ' ')}`,
    remedy: 'The error of each such message says what to do: GET /v1/messages?state=rejected.',
  };
}

function toMeaning({ code: _, ...meaning }: Failure): CodeMeaning {
  return meaning;
}

/** Share of what the carrier answered for; null when it answered for nothing. */
export function failureRate(failures: number, ended: number): number | null {
  return ended === 0 ? null : Math.round((failures / ended) * 1e6) / 1e6;
}
