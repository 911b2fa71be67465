import { describe, expect, it } from '@jest/globals';
import { type Closed, partsOf, windowOf } from './errors.rules.ts';

const now = new Date('2026-11-24T18:30:00.000Z');
const at = (time: string) => new Date(`2026-11-${time}:00:00.000Z`);
const closed: Closed = { since: at('05T00'), until: at('24T00') };

function read(from: string, to: string, days: Closed | undefined = closed): string[] {
  const window = windowOf(at(from), at(to), now);
  return partsOf(window, days).map((part) => {
    const name = part.table.replace('analytics_', '');
    return `${name} ${part.from.toISOString().slice(8, 13)}–${part.to.toISOString().slice(8, 13)}`;
  });
}

describe('where a window is read', () => {
  it.each([
    ['a day, from its hours', '23T18', '24T19', ['hourly 23T18–24T19']],
    [
      'two days, the whole one between by running totals',
      '22T18',
      '24T19',
      ['hourly 22T18–23T00', 'running 23T00–24T00', 'hourly 24T00–24T19'],
    ],
    ['days that are closed, by running totals alone', '10T00', '20T00', ['running 10T00–20T00']],
    ['up to now, today from the days', '10T00', '24T19', ['running 10T00–24T00', 'daily 24T00–25T00']],
    ['from before there were running totals', '01T00', '20T00', ['daily 01T00–05T00', 'running 05T00–20T00']],
    ['all before them', '01T00', '05T00', ['daily 01T00–05T00']],
  ])('%s', (_label, from, to, parts) => {
    expect(read(from, to)).toEqual(parts);
  });

  it('reads all of it as it is while there are none', () => {
    expect(partsOf(windowOf(at('10T00'), at('24T19'), now), undefined)).toEqual([
      { table: 'analytics_daily', from: at('10T00'), to: at('25T00') },
    ]);
  });
});
