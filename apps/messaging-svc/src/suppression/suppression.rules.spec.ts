import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { message, now } from '../../test/builders.ts';
import {
  decide,
  decideAll,
  keyOf,
  listedAddress,
  scopeOf,
  suppress,
  type Suppression,
  type SuppressionRequest,
  toSuppressionEvent,
} from './suppression.rules.ts';

const key = { tenant: 'demo', recipient: '+14155550199', channel: 'sms', scope: '+14155550100' } as const;

function request(state: Suppression['state'], changes: Partial<SuppressionRequest> = {}): SuppressionRequest {
  return { ...key, state, reason: 'stop_keyword', source: 'SM1', at: '2026-11-24T18:00:00.000Z', ...changes };
}

describe('decide', () => {
  it('opts out once, in once, and numbers what changed', () => {
    const states = ['opted_in', 'opted_out', 'opted_out', 'opted_in', 'opted_in', 'opted_out'] as const;
    const changes = decideAll(
      new Map(),
      states.map((state) => request(state)),
    );
    expect(changes.map(({ sequence, state }) => [sequence, state])).toEqual([
      [1, 'opted_out'],
      [2, 'opted_in'],
      [3, 'opted_out'],
    ]);
  });

  it('keeps the first reason when the same is asked again for another', () => {
    const [out] = decideAll(new Map(), [request('opted_out'), request('opted_out', { reason: 'import' })]);
    expect(out?.reason).toBe('stop_keyword');
  });

  it('keeps scopes, channels, recipients and tenants apart', () => {
    const keys = [
      {},
      { scope: '*' },
      { channel: 'whatsapp' as const },
      { recipient: '+14155550198' },
      { tenant: 'other' },
    ].map((change) => request('opted_out', change));
    expect(decideAll(new Map(), keys)).toHaveLength(5);
  });

  it('does not take a refusal for newer than the opt-in that came after the provider was asked', () => {
    const optedIn: Suppression = { ...request('opted_in'), keyword: null, sequence: 2 };
    const refusal = (provedAt: string) => request('opted_out', { reason: 'provider_refused', provedAt });
    expect(decide(optedIn, refusal('2026-11-24T17:59:59.999Z'))).toBeUndefined();
    expect(decide(optedIn, refusal('2026-11-24T18:00:00.001Z'))?.state).toBe('opted_out');
    expect(decide(undefined, refusal('2026-11-24T17:00:00.000Z'))).toMatchObject({ state: 'opted_out', sequence: 1 });
    expect(decide(undefined, refusal('2026-11-24T17:00:00.000Z'))).not.toHaveProperty('provedAt');
  });
});

describe('any sequence of requests', () => {
  const scopes = ['*', 'MG1', '+14155550100'];
  const requests = fc.array(
    fc
      .tuple(fc.constantFrom('opted_out' as const, 'opted_in' as const), fc.constantFrom(...scopes))
      .map(([state, scope]) => request(state, { scope })),
    { maxLength: 40 },
  );

  it('leaves each key where its last request wants it, with gapless numbers and no change that changes nothing', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        const changes = decideAll(new Map(), asked);
        for (const scope of scopes) {
          const own = changes.filter((change) => change.scope === scope);
          expect(own.map(({ sequence }) => sequence)).toEqual(own.map((_, index) => index + 1));
          own.forEach(({ state }, index) => expect(state).toBe(index % 2 === 0 ? 'opted_out' : 'opted_in'));
          const last = asked.filter((one) => one.scope === scope).at(-1)?.state ?? 'opted_in';
          expect(own.at(-1)?.state ?? 'opted_in').toBe(last);
        }
      }),
    );
  });

  it('comes out the same however it is cut into batches', () => {
    fc.assert(
      fc.property(requests, fc.nat(40), (asked, cut) => {
        const whole = decideAll(new Map(), asked);
        const first = decideAll(new Map(), asked.slice(0, cut));
        const standing = new Map(first.map((change) => [keyOf(change), change]));
        expect([...first, ...decideAll(standing, asked.slice(cut))]).toEqual(whole);
      }),
    );
  });
});

it.each([
  ['+14155550199', { recipient: '+14155550199', channel: 'sms' }],
  ['rcs:+14155550199', { recipient: '+14155550199', channel: 'sms' }],
  ['whatsapp:+14155550199', { recipient: 'whatsapp:+14155550199', channel: 'whatsapp' }],
  ['whatsapp:US.1234', { recipient: 'whatsapp:US.1234', channel: 'whatsapp' }],
])('lists %s as %j', (address, listed) => {
  expect(listedAddress(address)).toEqual(listed);
});

it('scopes a message by its service, else by its sender', () => {
  expect(scopeOf(message())).toBe('MG00000000000000000000000000000001');
  expect(scopeOf({ from: '+14155550100', messagingServiceSid: null })).toBe('+14155550100');
  expect(scopeOf({ from: null, messagingServiceSid: null })).toBeNull();
});

it.each(['scheduled', 'queued', 'submitting'] as const)('ends a message that is %s', (state) => {
  const step = suppress(message({ state, dueAt: now.toISOString() }), now);
  expect(step.message).toMatchObject({
    state: 'rejected',
    dueAt: null,
    checkAt: null,
    error: { code: 'suppressed', class: 'compliance' },
  });
  expect(step.changes).toMatchObject([{ from: state, to: 'rejected' }]);
});

it('leaves alone what is with the provider', () => {
  expect(suppress(message({ state: 'submitted' }), now).changes).toEqual([]);
});

it('tells a change under a key that stands for the recipient in the scope', () => {
  const event = toSuppressionEvent({ ...request('opted_out'), keyword: 'STOP', sequence: 3 });
  expect(event).toMatchObject({
    topic: 'events.suppression.v1',
    key: 'demo:sms:+14155550100:+14155550199',
    event: { type: 'suppression.changed.v1', data: { state: 'opted_out', sequence: 3 } },
  });
});
