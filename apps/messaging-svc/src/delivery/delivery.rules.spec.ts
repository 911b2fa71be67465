import { describe, expect, it } from '@jest/globals';
import { messageState } from '@signalbox/contracts';
import fc from 'fast-check';
import { message, now, policy } from '../../test/builders.ts';
import { attempt } from '../../test/builders.ts';
import { settle } from '../dispatch/dispatch.rules.ts';
import { type Message, type Step, unchanged } from '../message/message.ts';
import { isFinal, messageMachine } from '../message/message.state.ts';
import { advance, isNews, nextCheck, type ProviderReport } from './delivery.rules.ts';

const sid = 'SM00000000000000000000000000000001';
const report = (status: string, errorCode: number | null = null): ProviderReport => ({
  resourceSid: sid,
  status,
  errorCode,
});

/** Every way Twilio's own graph leads a message through, from the answer to the create call on. */
const providerRuns = [
  ['queued', 'sending', 'sent', 'delivered'],
  ['queued', 'sent', 'delivered', 'read'],
  ['accepted', 'queued', 'sent', 'undelivered'],
  ['queued', 'failed'],
  ['scheduled', 'canceled'],
  ['queued', 'sent', 'partially_delivered', 'delivered'],
  ['accepted', 'queued', 'sending', 'sent'],
  ['queued', 'sent', 'some_status_of_tomorrow', 'delivered'],
];

const runOfReports = fc
  .constantFrom(...providerRuns)
  .map((statuses) => statuses.map((status) => report(status, errorOf(status))));

function errorOf(status: string): number | null {
  return status === 'undelivered' || status === 'failed' ? 30003 : null;
}

function apply(reports: readonly ProviderReport[], start: Message = message()): Step {
  return reports.reduce((step, one) => advance(step, one, now).step, unchanged(start));
}

/** What a caller can see of a message, without the way it came there. */
function outcome({ message: { state, error, providerSid, dueAt } }: Step) {
  return { state, error, providerSid, dueAt };
}

describe('reports of the provider', () => {
  it.each(messageState.options)('are news to a message in %s exactly if they move it', (state) => {
    for (const status of new Set([...providerRuns.flat(), 'read', 'canceled', 'failed'])) {
      const { outcome } = advance(unchanged(message({ state })), report(status, errorOf(status)), now);
      expect([status, isNews({ state }, { status })]).toEqual([status, outcome === 'applied']);
    }
  });

  it('end where the ordered run ends, however they are shuffled and repeated', () => {
    fc.assert(
      fc.property(
        runOfReports.chain((run) =>
          fc.tuple(
            fc.constant(run),
            fc.shuffledSubarray([...run, ...run, ...run], { minLength: 0 }).map((extra) => extra),
            fc.shuffledSubarray(run, { minLength: run.length }),
          ),
        ),
        ([run, repeated, shuffled]) => {
          const mixed = interleave(shuffled, repeated);
          expect(outcome(apply(mixed))).toEqual(outcome(apply(run)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('end where the ordered run ends when some are lost and the last status is asked for afterwards', () => {
    fc.assert(
      fc.property(
        runOfReports.chain((run) => fc.tuple(fc.constant(run), fc.shuffledSubarray(run))),
        ([run, survivors]) => {
          const healed = [...survivors, ...run.slice(-1)];
          expect(outcome(apply(healed))).toEqual(outcome(apply(run)));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('may overtake the answer to the call that made them', () => {
    fc.assert(
      fc.property(
        runOfReports.chain((run) => fc.tuple(fc.constant(run), fc.integer({ min: 0, max: run.length }))),
        ([run, position]) => {
          const before = apply(run.slice(0, position)).message;
          const answer = { kind: 'accepted', sid, status: 'queued', httpStatus: 201 } as const;
          const settled = settle(before, attempt(), answer, now, policy, () => 0.5);
          expect(settled.attempt.state).toBe('accepted');
          const end = apply(run.slice(position), settled.step.message);
          expect(outcome(end)).toEqual(outcome(apply(run)));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('number their moves without gap or repeat, each further than the one before', () => {
    fc.assert(
      fc.property(
        fc.array(runOfReports).map((runs) => runs.flat()),
        (reports) => {
          const { changes, message: end } = apply(reports);
          expect(changes.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => 4 + index));
          for (const { from, to } of changes) {
            expect(messageMachine[to].progress).toBeGreaterThan(messageMachine[from ?? 'accepted'].progress);
          }
          expect(end.sequence).toBe(3 + changes.length);
        },
      ),
    );
  });

  it.each([
    ['a late sent after delivered', 'delivered', 'sent', 'ignored', 'delivered'],
    ['a read without a delivered', 'sent', 'read', 'applied', 'read'],
    [
      'a delivered after an undelivered: carriers do that, and we do not flap',
      'undelivered',
      'delivered',
      'ignored',
      'undelivered',
    ],
    ['a status nobody knows yet', 'sent', 'teleported', 'unknown', 'sent'],
    ['a status named like a property of objects', 'sent', 'constructor', 'unknown', 'sent'],
    ['a report on a message no attempt was made for', 'queued', 'delivered', 'ignored', 'queued'],
  ] as const)('%s', (_label, state, status, expected, end) => {
    const result = advance(unchanged(message({ state })), report(status), now);
    expect([result.outcome, result.step.message.state]).toEqual([expected, end]);
  });

  it('take a message out of the queue that was due again: the provider has it after all', () => {
    const retrying = message({ dueAt: now.toISOString() });
    expect(advance(unchanged(retrying), report('teleported'), now).step.message).toMatchObject({
      state: 'submitting',
      dueAt: null,
      providerSid: sid,
    });
  });

  it('explain a failure from the catalogue', () => {
    const { message: failed, changes } = apply([report('undelivered', 30003)]);
    expect(failed.error).toMatchObject({ code: 30003 });
    expect(changes.at(-1)?.error).toEqual(failed.error);
  });
});

describe('nextCheck', () => {
  const created = (agoMs: number) => ({
    createdAt: new Date(now.getTime() - agoMs).toISOString(),
    state: 'sent' as const,
  });

  it.each([
    ['soon when it is young', 10_000, 300_000],
    ['at twice its age later on', 3_600_000, 3_600_000],
  ])('asks %s', (_label, age, expected) => {
    expect(nextCheck(created(age), now, 300_000)).toBe(new Date(now.getTime() + expected).toISOString());
  });

  it('gives up on a carrier that never tells, and on what is final', () => {
    expect(nextCheck(created(37 * 3_600_000), now, 300_000)).toBeNull();
    expect(nextCheck({ ...created(0), state: 'delivered' }, now, 300_000)).toBeNull();
    expect(isFinal('delivered')).toBe(true);
  });
});

function interleave<T>(one: readonly T[], other: readonly T[]): T[] {
  return Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [one[index], other[index]])
    .flat()
    .filter((entry): entry is T => entry !== undefined);
}
