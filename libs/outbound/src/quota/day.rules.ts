const formats = new Map<string, Intl.DateTimeFormat>();

/** The calendar date in a time zone, `2026-11-24`. */
export function dayOf(ms: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (!format) {
    // Swedish writes dates as ISO 8601 does.
    format = new Intl.DateTimeFormat('sv', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
    formats.set(timeZone, format);
  }
  return format.format(ms);
}

/**
 * When the next day begins in a time zone, in epoch milliseconds. Searched and not computed: the day of a clock change
 * has 23 or 25 hours, and some zones change at midnight.
 */
export function nextDay(ms: number, timeZone: string): number {
  const today = dayOf(ms, timeZone);
  let before = Math.floor(ms);
  let after = before + longestDayMs;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dayOf(middle, timeZone) === today) before = middle;
    else after = middle;
  }
  return after;
}

const longestDayMs = 26 * 3_600_000;
