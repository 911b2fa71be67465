import { describe, expect, it } from '@jest/globals';
import { later, now } from '../../test/builders.ts';
import { driftBetween } from './drift.rules.ts';
import {
  decide,
  decideAll,
  groupOf,
  groupScope,
  keyOf,
  type Suppression,
  type SuppressionRequest,
} from './suppression.rules.ts';

const key = { tenant: 'demo', recipient: 'a@example.com', scope: '*' };
const out = (changes: Partial<SuppressionRequest> = {}): SuppressionRequest => ({
  ...key,
  state: 'opted_out',
  reason: 'api',
  source: null,
  at: now.toISOString(),
  ...changes,
});
const standing = (changes: Partial<Suppression> = {}): Suppression => ({
  ...out(),
  sequence: 1,
  told: 1,
  ...changes,
});
const reserved = standing({ state: 'opted_in', sequence: 0, told: 0, at: later(60_000).toISOString() });

describe('a suppression', () => {
  it('changes only who stands otherwise', () => {
    expect(decide(undefined, out())).toMatchObject({ state: 'opted_out', sequence: 1 });
    expect(decide(standing(), out())).toBeUndefined();
    expect(decide(standing(), out({ state: 'opted_in' }))).toMatchObject({ state: 'opted_in', sequence: 2 });
    expect(decide(undefined, out({ state: 'opted_in' }))).toBeUndefined();
  });

  it('is to be told to SendGrid when it was decided here, and where there is such a list', () => {
    expect(decide(undefined, out())).toMatchObject({ sequence: 1, told: 0 });
    expect(decide(undefined, out({ bySendgrid: true }))).toMatchObject({ sequence: 1, told: 1 });
    expect(decide(undefined, out({ scope: 'bulk' }))).toMatchObject({ sequence: 1, told: 1 });
    expect(decide(standing({ sequence: 3, told: 3 }), out({ state: 'opted_in' }))).toMatchObject({
      sequence: 4,
      told: 3,
    });
  });

  it('that SendGrid tells of does not undo what was decided here since', () => {
    const lifted = standing({ state: 'opted_in', sequence: 2, at: now.toISOString() });
    const told = (at: Date) => decide(lifted, out({ bySendgrid: true, at: at.toISOString() }));
    expect([told(later(-1)), told(now)]).toEqual([undefined, undefined]);
    expect(told(later(1))).toMatchObject({ state: 'opted_out', sequence: 3 });
    // A row that was made to be locked was never decided.
    expect(decide(reserved, out({ bySendgrid: true }))).toMatchObject({ sequence: 1 });
  });

  it('follows the order of the requests', () => {
    const requests = [out(), out({ state: 'opted_in' }), out({ state: 'opted_in' }), out({ reason: 'bounce' })];
    expect(
      decideAll(new Map([[keyOf(key), reserved]]), requests).map(({ sequence, state }) => `${sequence} ${state}`),
    ).toEqual(['1 opted_out', '2 opted_in', '3 opted_out']);
  });

  it.each([
    ['group:7', 7],
    ['*', undefined],
    ['bulk', undefined],
    ['group:x', undefined],
  ])('of scope %s is of group %s', (scope, id) => {
    expect(groupOf(scope)).toBe(id);
    if (id !== undefined) expect(groupScope(id)).toBe(scope);
  });
});

it('drift is what only one of both lists has, the latest first', () => {
  const ours = [
    standing({ recipient: 'both@x.y' }),
    standing({ recipient: 'here@x.y' }),
    standing({ recipient: 'bulk@x.y', scope: 'bulk' }),
  ];
  const theirs = [
    out({ recipient: 'both@x.y' }),
    out({ recipient: 'old@x.y', at: later(-5).toISOString() }),
    out({ recipient: 'new@x.y' }),
    out({ recipient: 'new@x.y', reason: 'spam_report' }),
    out({ recipient: 'both@x.y', scope: 'group:7', at: later(-9).toISOString() }),
  ];
  const { onlyAtSendgrid, onlyHere } = driftBetween(ours, theirs);
  expect(onlyHere.map(({ recipient }) => recipient)).toEqual(['here@x.y']);
  expect(onlyAtSendgrid.map(({ recipient, scope }) => `${recipient} ${scope}`)).toEqual([
    'new@x.y *',
    'old@x.y *',
    'both@x.y group:7',
  ]);
});
