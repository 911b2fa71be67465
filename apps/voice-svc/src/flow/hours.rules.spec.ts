import { describe, expect, it } from '@jest/globals';
import { openingAt } from './hours.rules.ts';

const weekly = { fri: [{ from: '09:00', to: '17:30' }] };
const hours = (timeZone: string) => ({ timeZone, weekly, holidays: ['2026-12-25'] });

describe('opening hours', () => {
  it.each([
    ['Europe/Berlin', '2026-11-27T07:59:59.999Z', 'closed'],
    ['Europe/Berlin', '2026-11-27T08:00:00.000Z', 'open'],
    ['America/New_York', '2026-11-27T08:00:00.000Z', 'closed'],
    ['Europe/Berlin', '2026-11-27T16:29:59.999Z', 'open'],
    ['Europe/Berlin', '2026-11-27T16:30:00.000Z', 'closed'],
    ['America/New_York', '2026-11-27T16:30:00.000Z', 'open'],
    ['Asia/Kathmandu', '2026-11-27T03:14:00.000Z', 'closed'],
    ['Asia/Kathmandu', '2026-11-27T03:15:00.000Z', 'open'],
    ['Europe/Berlin', '2026-12-25T12:00:00.000Z', 'holiday'],
  ])('in %s at %s: %s', (timeZone, at, expected) => {
    expect(openingAt(hours(timeZone), new Date(at))).toBe(expected);
    // What was worked out for one minute says nothing of another.
    openingAt(hours(timeZone), new Date('2026-11-28T12:00:00Z'));
    expect(openingAt(hours(timeZone), new Date(at))).toBe(expected);
  });
});
