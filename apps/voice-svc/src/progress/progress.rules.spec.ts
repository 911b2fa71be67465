import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { call, command, now, placing } from '../../test/builders.ts';
import { type Step, unchanged } from '../call/call.ts';
import { advance, nextCheck, type ProviderReport } from './progress.rules.ts';

const first = 'CA00000000000000000000000000000001';
const second = 'CA00000000000000000000000000000002';
const report = (status: string, resourceSid = first): ProviderReport => ({
  resourceSid,
  status,
  errorCode: null,
  ...(status === 'completed' && { durationSeconds: 42, answeredBy: 'human' }),
});

/** Every way the provider leads a call through. */
const providerRuns = [
  ['initiated', 'ringing', 'in-progress', 'completed'],
  ['queued', 'initiated', 'ringing', 'busy'],
  ['initiated', 'ringing', 'no-answer'],
  ['initiated', 'failed'],
  ['canceled'],
  ['initiated', 'status-of-tomorrow', 'ringing', 'in-progress', 'completed'],
].map((statuses) => statuses.map((status) => report(status)));
const aRun = fc.constantFrom(...providerRuns);

const apply = (reports: readonly ProviderReport[], from = placing()): Step =>
  reports.reduce((step, one) => advance(step, one, now).step, unchanged(from));

/** What a caller can see, without the way it came there. */
function outcome({ call: { state, error, providerSid, durationSeconds, answeredBy } }: Step) {
  return { state, error, providerSid, durationSeconds, answeredBy };
}

describe('reports of the provider', () => {
  it('end where the ordered run ends, however they are shuffled and repeated', () => {
    const mixed = aRun.chain((run) =>
      fc.tuple(
        fc.constant(run),
        fc.shuffledSubarray([...run, ...run, ...run], { minLength: run.length * 3, maxLength: run.length * 3 }),
      ),
    );
    fc.assert(
      fc.property(mixed, ([run, reports]) => expect(outcome(apply(reports))).toEqual(outcome(apply(run)))),
      { numRuns: 500 },
    );
  });

  it('end where the ordered run ends when some are lost and the last one is not', () => {
    const lossy = aRun.chain((run) => fc.tuple(fc.constant(run), fc.shuffledSubarray(run)));
    fc.assert(
      fc.property(lossy, ([run, survivors]) =>
        expect(outcome(apply([...survivors, ...run.slice(-1)]))).toEqual(outcome(apply(run))),
      ),
      { numRuns: 500 },
    );
  });

  it('number the moves without gaps', () => {
    fc.assert(
      fc.property(fc.array(aRun), (runs) => {
        const { changes } = apply(runs.flat());
        expect(changes.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => 3 + index));
      }),
    );
  });

  it.each([
    ['queued', 'submitted'],
    ['initiated', 'submitted'],
    ['ringing', 'ringing'],
    ['in-progress', 'answered'],
    ['completed', 'completed'],
    ['busy', 'busy'],
    ['no-answer', 'no-answer'],
    ['failed', 'failed'],
    ['canceled', 'canceled'],
  ])('%s means %s', (status, state) => {
    const { step, outcome } = advance(unchanged(placing()), report(status), now);
    expect([outcome, step.call.state, step.call.providerSid]).toEqual(['applied', state, first]);
  });

  it('with a word of tomorrow tell the SID, and move nothing', () => {
    const { step, outcome } = advance(unchanged(placing()), report('status-of-tomorrow'), now);
    expect([outcome, step.call.state, step.call.providerSid]).toEqual(['unknown', 'submitting', first]);
  });

  it('of a call that was never handed over are about something else', () => {
    expect(advance(unchanged(call()), report('completed'), now).outcome).toBe('ignored');
  });

  it('that come when an attempt seemed to fail leave nothing to be placed again', () => {
    const deferred = placing({ dueAt: now.toISOString() });
    expect(apply([report('initiated')], deferred).call.dueAt).toBeNull();
  });

  it('name the error by its code, else by the outcome and what SIP said', () => {
    expect(apply([{ ...report('failed'), errorCode: 21211 }]).call.error?.code).toBe(21211);
    expect(apply([{ ...report('busy'), sipResponseCode: 486 }]).call.error).toMatchObject({
      code: 'busy',
      title: 'The line was busy (SIP 486)',
    });
  });
});

describe('an outcome that is to be tried again', () => {
  const retry = { on: ['busy', 'no-answer'] as ('busy' | 'no-answer')[], attempts: 2, delaySeconds: 60 };
  const retried = placing({ request: command({ retry }) });

  it('waits, tells of the call that was, and makes room for the next', () => {
    const { call: waiting, changes } = apply([report('ringing'), report('busy')], retried);
    expect(waiting).toMatchObject({
      state: 'waiting',
      dueAt: '2026-11-24T18:01:00.000Z',
      providerSid: null,
      earlierSids: [first],
      checkAt: null,
    });
    expect(changes.at(-1)).toMatchObject({ to: 'waiting', providerSid: first, round: 1, error: { code: 'busy' } });
  });

  it('is not touched again by what is told of the round before', () => {
    const { call: waiting } = apply([report('busy')], retried);
    const next = { ...waiting, state: 'submitting' as const, round: 2, dueAt: null };
    const late = [report('ringing'), report('completed'), report('busy')];
    for (const one of late) expect(advance(unchanged(next), one, now).outcome).toBe('earlier');
    const { call: done } = apply([...late, report('initiated', second), ...late, report('completed', second)], next);
    expect(done).toMatchObject({ state: 'completed', providerSid: second, earlierSids: [first] });
  });

  it.each([
    ['it was the last try', { round: 2 }, 'busy'],
    ['somebody canceled', { cancelRequested: true }, 'busy'],
    ['it is no outcome to retry', {}, 'failed'],
  ])('is not when %s', (_label, changes, status) => {
    expect(apply([report(status)], { ...retried, ...changes }).call).toMatchObject({ state: status, dueAt: null });
  });
});

describe('a silent call is asked about', () => {
  it.each([
    ['at once after the first wait', 10, 120],
    ['after as long as it has been there', 600, 600],
    ['every hour at the least', 86_400, 3_600],
  ])('%s', (_label, ageSeconds, inSeconds) => {
    const later = new Date(now.getTime() + ageSeconds * 1000);
    const at = nextCheck(placing(), later, 120_000) ?? '';
    expect((Date.parse(at) - later.getTime()) / 1000).toBe(inSeconds);
  });

  it('no more when it has ended, or after two weeks', () => {
    expect(nextCheck(placing({ state: 'completed' }), now, 1)).toBeNull();
    expect(nextCheck(placing(), new Date(now.getTime() + 15 * 86_400_000), 1)).toBeNull();
  });
});
