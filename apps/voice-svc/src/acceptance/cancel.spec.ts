import { describe, expect, it } from '@jest/globals';
import { call, now, placing } from '../../test/builders.ts';
import { cancel } from './cancel.ts';

describe('a cancel', () => {
  it.each([
    ['before the first try', call()],
    ['between two tries', placing({ state: 'waiting', dueAt: '2026-11-24T19:00:00.000Z' })],
    ['after a try that reached nobody', placing({ dueAt: '2026-11-24T18:00:05.000Z' })],
  ])('%s ends it at once', (_label, waiting) => {
    const { call: canceled, changes } = cancel(waiting, now);
    expect(canceled).toMatchObject({ state: 'canceled', dueAt: null });
    expect(changes).toHaveLength(1);
  });

  it.each(['submitting', 'submitted', 'ringing', 'answered'] as const)('of one that is %s has it hung up', (state) => {
    const { call: ending, changes, remarks } = cancel(placing({ state }), now);
    expect(ending).toMatchObject({ state, cancelRequested: true, checkAt: now.toISOString() });
    expect([changes, remarks.map(({ kind }) => kind)]).toEqual([[], ['cancel']]);
  });

  it('of one that has ended, or is ending, changes nothing', () => {
    for (const done of [placing({ state: 'completed' }), placing({ cancelRequested: true })]) {
      expect(cancel(done, now).call).toBe(done);
    }
  });
});
