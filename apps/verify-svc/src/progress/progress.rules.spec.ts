import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attempt, attemptSid, now, providerSid, verification } from '../../test/builders.ts';
import { type Step, unchanged } from '../verification/verification.ts';
import { advance, deliver, type ProviderReport, readReport } from './progress.rules.ts';

const report = (status: string, more: Partial<ProviderReport> = {}): ProviderReport => ({
  sid: providerSid,
  about: 'verification',
  status,
  errorCode: null,
  attempts: [],
  ...more,
});

/** Every way Twilio leads a verification through; the words of Event Streams. */
const providerRuns = [
  ['PENDING', 'APPROVED'],
  ['PENDING', 'PENDING', 'APPROVED'],
  ['PENDING', 'MAX_ATTEMPTS_REACHED'],
  ['PENDING', 'EXPIRED'],
  ['PENDING', 'CANCELED'],
  ['PENDING', 'SOMETHING_OF_TOMORROW', 'APPROVED'],
].map((statuses) => statuses.map((status) => report(status)));
const aRun = fc.constantFrom(...providerRuns);

function apply(reports: readonly ProviderReport[]): Step {
  return reports.reduce((step, one) => advance(step, one, now).step, unchanged(verification()));
}

/** What a caller can see, without the way it came there. */
function outcome({ verification: { state, error, providerSid: sid } }: Step) {
  return { state, error, sid };
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
    ['PENDING', 'applied', 'pending'],
    ['MAX_ATTEMPTS_REACHED', 'applied', 'denied'],
    ['SOMETHING_OF_TOMORROW', 'unknown', 'accepted'],
  ])('%s is %s', (status, expected, state) => {
    const { step, outcome } = advance(unchanged(verification()), report(status), now);
    expect([outcome, step.verification.state]).toEqual([expected, state]);
  });

  it('are ignored when they come late', () => {
    expect(advance(unchanged(verification({ state: 'approved' })), report('PENDING'), now).outcome).toBe('ignored');
  });
});

describe('a delivery', () => {
  const pending = verification({ state: 'pending', providerSid });
  const sent = attempt({ state: 'accepted', providerSid, attemptSid });
  const about = (status: string) =>
    report(status, { about: 'delivery', errorCode: status === 'UNDELIVERED' ? 30003 : null });

  it('that failed makes the next channel due at once', () => {
    const { step, attempt: told } = deliver(unchanged(pending), sent, [sent], about('UNDELIVERED'), now);
    expect(told).toMatchObject({ delivery: 'undelivered', error: { code: 30003 } });
    expect(step.verification).toMatchObject({
      state: 'pending',
      position: 1,
      wants: 'undelivered',
      dueAt: now.toISOString(),
    });
  });

  it('that failed on the last channel ends it, unless another code may still arrive', () => {
    const last = { ...pending, position: 1, attempts: 2 };
    const call = attempt({ ...sent, number: 2, channel: 'call' });
    const lost = { ...sent, delivery: 'undelivered' as const };
    expect(deliver(unchanged(last), call, [lost, call], about('UNDELIVERED'), now).step.verification.state).toBe(
      'failed',
    );
    expect(deliver(unchanged(last), call, [sent, call], about('UNDELIVERED'), now).step.verification.state).toBe(
      'pending',
    );
  });

  it("that failed does not lead on when nobody has the caller's code", () => {
    const own = { ...pending, request: { ...pending.request, code: 'callers' as const } };
    expect(deliver(unchanged(own), sent, [sent], about('UNDELIVERED'), now).step.verification).toMatchObject({
      state: 'failed',
      wants: null,
    });
  });

  it('that failed changes nothing for one that has ended, or has gone on', () => {
    const approved = { ...pending, state: 'approved' as const };
    expect(deliver(unchanged(approved), sent, [sent], about('UNDELIVERED'), now).step.verification).toEqual(approved);
    const further = { ...pending, attempts: 2, position: 1 };
    expect(deliver(unchanged(further), sent, [sent], about('UNDELIVERED'), now).step.verification).toEqual(further);
  });

  it('goes forward only, whatever order its reports come in', () => {
    const words = fc.array(fc.constantFrom('SENT', 'DELIVERED', 'QUEUED', 'SENT'), { minLength: 1 });
    fc.assert(
      fc.property(words, (statuses) => {
        const end = statuses.reduce(
          ({ step, attempt: told }, status) => deliver(step, told, [told], about(status), now),
          { step: unchanged(pending), attempt: sent },
        );
        const expected = statuses.includes('DELIVERED') ? 'delivered' : statuses.includes('SENT') ? 'sent' : null;
        expect(end.attempt.delivery).toBe(expected);
      }),
    );
  });
});

describe('an event of Verify', () => {
  const head = { resourceSid: providerSid, status: 'PENDING', errorCode: null };
  const tag = `${verification().id}.2`;

  it('names the attempts it is about, and ours where Twilio repeats our tag', () => {
    const attempts = { count: 1, attempts: [{ attempt_sid: attemptSid, channel: 'SMS', tags: { signalbox: tag } }] };
    const params = { send_code_attempts: JSON.stringify(attempts) };
    expect(
      readReport({ ...head, eventType: 'com.twilio.accountsecurity.verify.verification.pending', params }),
    ).toEqual(
      report('PENDING', { attempts: [{ attemptSid, ours: { verificationId: verification().id, number: 2 } }] }),
    );
  });

  it('tells of a delivery', () => {
    const params = { attempt_sid: attemptSid, message_status: 'DELIVERED', tags: JSON.stringify({ signalbox: tag }) };
    const event = {
      ...head,
      status: 'DELIVERED',
      eventType: 'com.twilio.accountsecurity.verify.message.delivered',
      params,
    };
    expect(readReport(event)).toMatchObject({ about: 'delivery', attempts: [{ attemptSid, ours: { number: 2 } }] });
  });

  it.each([
    ['no JSON', { send_code_attempts: '{', tags: 'x' }],
    ['JSON of another shape', { send_code_attempts: '[1, null]', tags: '[]' }],
    ['a tag of another shape', { tags: '{"signalbox": "../1"}' }],
  ])('is read with %s in it', (_label, params) => {
    const event = { ...head, eventType: 'com.twilio.accountsecurity.verify.verification.pending', params };
    expect(readReport(event)).toEqual(report('PENDING'));
  });

  it('of a factor or challenge is none of ours', () => {
    const event = { ...head, resourceSid: 'YF01', eventType: 'factor.verified', params: {} };
    expect(readReport(event)).toBeUndefined();
  });
});
