import { describe, expect, it } from '@jest/globals';
import type { QuietHours } from '@signalbox/tenants';
import fc from 'fast-check';
import { DateTime } from 'luxon';
import { isQuiet, type Recipient, release } from './quiet-hours.rules.ts';

const night: QuietHours = { from: '21:00', to: '08:00', exemptLanes: ['critical'], countries: {} };
const to = (changes: Partial<Recipient> = {}): Recipient => ({
  to: '+14155550199',
  lane: 'transactional',
  timeZone: null,
  ...changes,
});
const local = (time: string, zone = 'America/Los_Angeles') => DateTime.fromISO(time, { zone }).toJSDate();

function releasedAt(recipient: Recipient, wanted: Date, quiet: QuietHours = night, marginMs = 0) {
  const free = release(recipient, wanted, quiet, marginMs);
  return free.kind === 'at' ? free.time : undefined;
}

describe('release', () => {
  it.each([
    ['by day: at once', '2026-11-24T12:00', '2026-11-24T12:00'],
    ['in the evening: in the morning', '2026-11-24T22:30:15', '2026-11-25T08:00'],
    ['after midnight: the same morning', '2026-11-25T03:00', '2026-11-25T08:00'],
    ['at the first quiet minute', '2026-11-24T21:00', '2026-11-25T08:00'],
    ['in the last minute before', '2026-11-24T20:59:59.999', '2026-11-24T20:59:59.999'],
    ['when it ends', '2026-11-25T08:00', '2026-11-25T08:00'],
    ['over the night in which clocks go forward', '2026-03-07T23:00', '2026-03-08T08:00'],
    ['over the night in which they go back', '2026-10-31T23:00', '2026-11-01T08:00'],
  ])('%s', (_label, wanted, expected) => {
    expect(releasedAt(to(), local(wanted))).toEqual(local(expected));
  });

  it('ends by the clock of the zone, in the hour that does not exist and in the one that comes twice', () => {
    const early: QuietHours = { ...night, from: '01:00', to: '02:30' };
    expect(releasedAt(to(), local('2026-03-08T01:30'), early)).toEqual(local('2026-03-08T03:00'));
    const twice: QuietHours = { ...night, from: '00:00', to: '01:30' };
    const secondOne = new Date('2026-11-01T09:10:00Z');
    expect(releasedAt(to(), secondOne, twice)).toEqual(new Date('2026-11-01T09:30:00Z'));
  });

  it('waits until it is quiet in none of the zones a number may be in', () => {
    // 08:15 in New York is 07:15 in Chicago; 850 is in both.
    const wanted = local('2026-11-24T08:15', 'America/New_York');
    expect(releasedAt(to({ to: '+18505550199' }), wanted)).toEqual(local('2026-11-24T08:00', 'America/Chicago'));
    expect(releasedAt(to({ to: '+18505550199', timeZone: 'America/New_York' }), wanted)).toEqual(wanted);
  });

  it('says when there is no such time', () => {
    const long: QuietHours = { ...night, from: '12:00', to: '11:00' };
    expect(release(to({ to: '+18005550199' }), local('2026-11-24T12:00'), long).kind).toBe('never');
    expect(release(to({ to: '+18005550199' }), local('2026-11-24T12:00'), night).kind).toBe('at');
  });

  it('exempts lanes, and countries with other hours or none', () => {
    const wanted = local('2026-11-24T20:30', 'Europe/Paris');
    const quiet: QuietHours = { ...night, countries: { FR: { from: '20:00', to: '10:00' }, DE: 'none' } };
    expect(releasedAt(to({ to: '+33612345678' }), wanted, quiet)).toEqual(local('2026-11-25T10:00', 'Europe/Paris'));
    expect(releasedAt(to({ to: '+33612345678', lane: 'critical' }), wanted, quiet)).toEqual(wanted);
    const late = local('2026-11-24T23:30', 'Europe/Berlin');
    expect(releasedAt(to({ to: '+4915123456789' }), late, quiet)).toEqual(late);
  });

  it('keeps a margin for a call that is made a little later', () => {
    const wanted = local('2026-11-24T20:59:45');
    expect(releasedAt(to(), wanted, night, 30_000)).toEqual(local('2026-11-25T08:00'));
    expect(releasedAt(to(), wanted, night, 10_000)).toEqual(wanted);
  });

  const zone = fc.constantFrom(
    'America/Los_Angeles',
    'America/St_Johns',
    'Europe/London',
    'Asia/Calcutta',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'America/Asuncion',
    'Africa/Casablanca',
  );
  const minute = fc.integer({ min: 0, max: 1439 });
  const clock = (value: number) =>
    `${String(Math.floor(value / 60)).padStart(2, '0')}:${String(value % 60).padStart(2, '0')}`;
  const somewhen = fc.date({ min: new Date('2025-01-01'), max: new Date('2028-01-01'), noInvalidDate: true });
  // The hours around the days on which clocks are turned.
  const turn = fc
    .constantFrom('2026-03-08', '2026-11-01', '2026-03-29', '2026-10-25', '2026-04-05', '2026-10-04')
    .chain((day) => fc.integer({ min: -24, max: 36 }).map((hours) => new Date(Date.parse(day) + hours * 3_600_000)));

  it('is never inside quiet hours, never earlier than wanted, and not a minute later than needed', () => {
    fc.assert(
      fc.property(fc.oneof(somewhen, turn), zone, minute, minute, (wanted, timeZone, from, end) => {
        // As the tenant file demands: two free hours a day.
        fc.pre((from - end + 1440) % 1440 >= 120);
        const quiet = { ...night, from: clock(from), to: clock(end) };
        const time = releasedAt(to({ timeZone }), wanted, quiet);
        if (!time) throw new Error('one zone always has a time');
        const quietAt = (at: number) => isQuiet(DateTime.fromMillis(at, { zone: timeZone }), { from, to: end });
        expect(time.getTime()).toBeGreaterThanOrEqual(wanted.getTime());
        expect(quietAt(time.getTime())).toBe(false);
        for (let at = wanted.getTime(); at < time.getTime() - 60_000; at += 60_000) {
          if (!quietAt(at)) throw new Error(`${new Date(at).toISOString()} was free before ${time.toISOString()}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
