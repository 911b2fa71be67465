import type { Lane } from '@signalbox/contracts';
import type { QuietHours } from '@signalbox/tenants';
import { countryOfNumber } from '@signalbox/twilio';
import { DateTime } from 'luxon';
import { zonesOfNumber } from './phone-zones.rules.ts';

/** From this time of day to that one, in minutes after midnight; over midnight when `from` is the later. */
export interface QuietSpan {
  readonly from: number;
  readonly to: number;
}

const minutesPerDay = 1440;
const minuteMs = 60_000;

/** Longer than any chain of quiet hours around the globe; past it there is no time that suits every zone. */
const horizonMs = 3 * minutesPerDay * minuteMs;

export interface Recipient {
  readonly to: string;
  readonly lane: Lane;
  /** Given with the request; else the number's. */
  readonly timeZone: string | null;
}

export type Release =
  /** Now, or at this time, it is quiet nowhere the recipient may be. */
  | { readonly kind: 'at'; readonly time: Date; readonly zones: readonly string[] }
  /** Whatever the time, it is quiet in one of the zones the number may be in. */
  | { readonly kind: 'never'; readonly zones: readonly string[] };

/**
 * When a message that is wanted at a time may go: then, or when quiet hours have ended wherever the recipient may be.
 * @param marginMs how much later than the returned time the call may be made; the whole of it is outside quiet hours
 */
export function release(recipient: Recipient, wanted: Date, quiet: QuietHours | undefined, marginMs = 0): Release {
  const span = quiet && spanFor(recipient, quiet);
  if (!span) return { kind: 'at', time: wanted, zones: [] };
  const zones = recipient.timeZone ? [recipient.timeZone] : zonesOfNumber(recipient.to);
  let time = wanted.getTime();
  while (time - wanted.getTime() <= horizonMs) {
    const end = quietUntil(time, zones, span) ?? (marginMs > 0 ? quietUntil(time + marginMs, zones, span) : undefined);
    if (end === undefined) return { kind: 'at', time: new Date(time), zones };
    time = end;
  }
  return { kind: 'never', zones };
}

function spanFor({ to, lane }: Recipient, quiet: QuietHours): QuietSpan | undefined {
  if (quiet.exemptLanes.includes(lane)) return undefined;
  const own = ownHours(to, quiet);
  if (own === 'none') return undefined;
  const { from, to: end } = own ?? quiet;
  return { from: minutesOf(from), to: minutesOf(end) };
}

function ownHours(to: string, { countries }: QuietHours): QuietHours['countries'][string] | undefined {
  if (Object.keys(countries).length === 0) return undefined;
  const country = countryOfNumber(to);
  return country !== undefined && Object.hasOwn(countries, country) ? countries[country] : undefined;
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

/** When it stops being quiet in the zones where it is quiet now; undefined when it is quiet in none. */
function quietUntil(time: number, zones: readonly string[], span: QuietSpan): number | undefined {
  let latest: number | undefined;
  for (const zone of zones) {
    const local = DateTime.fromMillis(time, { zone });
    if (!isQuiet(local, span)) continue;
    latest = Math.max(latest ?? 0, nextEnd(local, span));
  }
  return latest;
}

export function isQuiet(local: DateTime, { from, to }: QuietSpan): boolean {
  const minute = local.hour * 60 + local.minute;
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

/**
 * The first minute after `local` that is not quiet: by the wall clock, and where clocks are turned in between by the hours
 * that pass. In the hour that comes twice the end found may be quiet again: the caller looks again from there.
 */
function nextEnd(local: DateTime, span: QuietSpan): number {
  const at = { hour: Math.floor(span.to / 60), minute: span.to % 60, second: 0, millisecond: 0 };
  const minutes = (span.to - (local.hour * 60 + local.minute) + minutesPerDay) % minutesPerDay;
  const byDuration = local.startOf('minute').plus({ minutes });
  const ends = [local.set(at), local.plus({ days: 1 }).set(at), byDuration].filter((end) => end > local);
  let end = DateTime.min(...ends) ?? byDuration;
  // The wall clock may have jumped over the end: then it is where the jump leads.
  for (let before = end.minus(minuteMs); before > local && !isQuiet(before, span); before = end.minus(minuteMs)) {
    end = before;
  }
  return end.toMillis();
}
