import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dayOf, nextDay } from './day.rules.ts';

describe('nextDay', () => {
  it.each([
    ['America/Los_Angeles', '2026-07-01T12:00:00Z', '2026-07-02T07:00:00Z', 'in summer'],
    ['America/Los_Angeles', '2026-11-24T12:00:00Z', '2026-11-25T08:00:00Z', 'in winter'],
    ['America/Los_Angeles', '2026-11-01T07:00:00Z', '2026-11-02T08:00:00Z', 'a day of 25 hours'],
    ['America/Los_Angeles', '2026-03-08T08:00:00Z', '2026-03-09T07:00:00Z', 'a day of 23 hours'],
    ['Africa/Cairo', '2026-04-23T12:00:00Z', '2026-04-23T22:00:00Z', 'the clock goes forward at midnight'],
    ['Asia/Kolkata', '2026-11-24T18:29:59.999Z', '2026-11-24T18:30:00Z', 'half an hour off, a millisecond before'],
    ['UTC', '2026-12-31T00:00:00Z', '2027-01-01T00:00:00Z', 'the first moment of a day'],
  ])('%s from %s is %s: %s', (timeZone, from, to) => {
    expect(new Date(nextDay(Date.parse(from), timeZone)).toISOString()).toBe(new Date(to).toISOString());
  });

  it('is the first millisecond of another date', () => {
    const zone = fc.constantFrom('UTC', 'America/Los_Angeles', 'Australia/Lord_Howe', 'Asia/Beirut', 'Pacific/Apia');
    fc.assert(
      fc.property(
        zone,
        fc.date({ min: new Date('2015-01-01'), max: new Date('2035-01-01'), noInvalidDate: true }),
        (timeZone, date) => {
          const next = nextDay(date.getTime(), timeZone);
          expect(next).toBeGreaterThan(date.getTime());
          expect(dayOf(next - 1, timeZone)).toBe(dayOf(date.getTime(), timeZone));
          expect(dayOf(next, timeZone) > dayOf(date.getTime(), timeZone)).toBe(true);
        },
      ),
    );
  });
});
