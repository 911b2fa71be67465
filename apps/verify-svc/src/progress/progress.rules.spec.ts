import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { verification, now } from '../../test/builders.ts';
import { type Step, unchanged } from '../verification/verification.ts';
import { advance, type ProviderReport } from './progress.rules.ts';

const report = (status: string): ProviderReport => ({
  resourceSid: 'XX00000000000000000000000000000001',
  status,
  errorCode: status === 'failed' ? 20429 : null,
});

/** Every way the provider leads a verification through. */
const providerRuns = [
  ['queued', 'completed'],
  ['queued', 'failed'],
  ['failed'],
  ['queued', 'some_status_of_tomorrow', 'completed'],
].map((statuses) => statuses.map(report));
const aRun = fc.constantFrom(...providerRuns);

function apply(reports: readonly ProviderReport[]): Step {
  return reports.reduce((step, one) => advance(step, one, now).step, unchanged(verification()));
}

/** What a caller can see, without the way it came there. */
function outcome({ verification: { state, error, providerSid } }: Step) {
  return { state, error, providerSid };
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
        expect(changes.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => 2 + index));
      }),
    );
  });

  it.each([
    ['queued', 'applied', 'submitted'],
    ['some_status_of_tomorrow', 'unknown', 'accepted'],
  ])('%s is %s', (status, expected, state) => {
    const { step, outcome } = advance(unchanged(verification()), report(status), now);
    expect([outcome, step.verification.state]).toEqual([expected, state]);
  });

  it('ignores what comes late', () => {
    expect(advance(unchanged(verification({ state: 'completed' })), report('queued'), now).outcome).toBe('ignored');
  });
});
