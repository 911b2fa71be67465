import { describe, expect, it } from '@jest/globals';
import { accountScope, type Attempt, quotasOf } from '@signalbox/outbound';
import type { QuotaLimits } from '@signalbox/tenants';
import { attempt, email, later, now } from '../../test/builders.ts';
import { newStream, type Stream } from '../deliverability/stream.state.ts';
import { failures } from '../email/failures.ts';
import { type Line, waitingFor } from './waiting.rules.ts';

const line: Line = { now, quotas: new Map(), buckets: new Map(), hold: null };
const queued = email({ state: 'queued', dueAt: now.toISOString() });
const inBulk = email({ state: 'queued', dueAt: now.toISOString(), lane: 'bulk' });
const stopped: Stream = {
  ...newStream({ tenant: 'demo', stream: 'bulk', provider: 'other' }, now),
  state: 'stopped',
  reason: 'complaints',
};
const held = (limits: QuotaLimits) => quotasOf([[{ kind: 'stream', value: 'bulk@other' }, limits]], new Map());
const closed = (changes: object) => ({ ...attempt(), finishedAt: now.toISOString(), ...changes }) as Attempt;

describe('why an email waits', () => {
  it.each([
    ['its time', { ...queued, state: 'scheduled', dueAt: later(60_000).toISOString() }, [], {}, 'scheduled'],
    ['a free place', queued, [], {}, 'in_line'],
    ['the answer', email({ state: 'submitting' }), [attempt()], {}, 'answer'],
    ['nobody knows what', email({ state: 'submitting' }), [closed({ state: 'in_doubt' })], {}, 'in_doubt'],
    [
      'a lease to be over',
      email({ state: 'submitting' }),
      [{ ...attempt(), leaseUntil: now.toISOString() }],
      {},
      'in_doubt',
    ],
    ['an event', email({ state: 'submitted' }), [closed({ state: 'accepted' })], {}, 'provider'],
    [
      'the next attempt',
      email({ state: 'submitting', dueAt: later(5_000).toISOString() }),
      [closed({ state: 'deferred', httpStatus: 429, error: failures.tooManyRequests })],
      {},
      'back_off',
    ],
    [
      'a key, as this replica knows',
      queued,
      [],
      { hold: { why: 'credentials', sinceMs: now.getTime(), untilMs: later(5_000).getTime() } },
      'credentials_refused',
    ],
    [
      'a key, as another replica found out',
      email({ state: 'submitting', dueAt: now.toISOString() }),
      [closed({ state: 'deferred', httpStatus: 401, error: failures.credentialsRefused })],
      {},
      'credentials_refused',
    ],
    ['a pause to end', queued, [], { hold: { why: 'paused', untilMs: later(5_000).getTime() } }, 'account_paused'],
    ['tomorrow', queued, [], { quotas: quotasOf([[accountScope, { dailyCap: 0 }]], new Map()) }, 'daily_cap'],
    ['a stream that is stopped', inBulk, [], { stream: stopped, quotas: held({ dailyCap: 0 }) }, 'stream_stopped'],
    [
      'a stream that goes slower',
      { ...inBulk, queue: 'stream:bulk@other' },
      [],
      {
        stream: { ...stopped, state: 'throttled' },
        quotas: held({ rate: 1 }),
        buckets: new Map([['demo stream:bulk@other', { nextMs: later(60_000).getTime(), day: '', used: 0 }]]),
      },
      'stream_throttled',
    ],
    ['no stream, since the tenant only wants to be told', inBulk, [], { stream: stopped }, 'in_line'],
    [
      'no stream, being critical',
      { ...queued, lane: 'critical' },
      [],
      { stream: stopped, quotas: held({ dailyCap: 0 }) },
      'in_line',
    ],
  ] as [string, typeof queued, Attempt[], Partial<Line>, string][])(
    'for %s',
    (_label, waiting, attempts, changes, reason) => {
      expect(waitingFor(waiting, attempts, { ...line, ...changes })?.reason).toBe(reason);
    },
  );

  it.each(['delivered', 'bounced', 'rejected', 'canceled'] as const)('is nothing once it is %s', (state) => {
    expect(waitingFor(email({ state }), [], line)).toBeNull();
  });
});
