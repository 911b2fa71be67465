import type { FlowNodeOf } from '@signalbox/contracts';

const weekday: Readonly<Record<string, 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'>> = {
  Mon: 'mon',
  Tue: 'tue',
  Wed: 'wed',
  Thu: 'thu',
  Fri: 'fri',
  Sat: 'sat',
  Sun: 'sun',
};

interface WallClock {
  /** `2026-12-25` */
  readonly date: string;
  /** `09:30` */
  readonly time: string;
  readonly day: (typeof weekday)[string] | undefined;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const clocks = new Map<string, { readonly minute: number; readonly clock: WallClock }>();

/** The wall clock of a zone, made once a minute; making a format costs a hundred times what using it does. */
function wallClock(zone: string, now: Date): WallClock {
  const minute = Math.floor(now.getTime() / 60_000);
  const known = clocks.get(zone);
  if (known?.minute === minute) return known.clock;
  const clock = readClock(zone, now);
  clocks.set(zone, { minute, clock });
  return clock;
}

function readClock(zone: string, now: Date): WallClock {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  formats.set(zone, format);
  const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
  return {
    date: `${parts['year']}-${parts['month']}-${parts['day']}`,
    time: `${parts['hour']}:${parts['minute']}`,
    day: weekday[parts['weekday'] ?? ''],
  };
}

/** Whether the hours are open, by the clock of their time zone; an opening ends right before its `to`. */
export function openingAt(
  { timeZone, weekly, holidays }: Pick<FlowNodeOf<'hours'>, 'timeZone' | 'weekly' | 'holidays'>,
  now: Date,
): 'open' | 'closed' | 'holiday' {
  const { date, time, day } = wallClock(timeZone, now);
  if (holidays.includes(date)) return 'holiday';
  const openings = (day && weekly[day]) ?? [];
  return openings.some(({ from, to }) => from <= time && time < to) ? 'open' : 'closed';
}
