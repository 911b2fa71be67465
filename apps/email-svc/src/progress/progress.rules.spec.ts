import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { email, now } from '../../test/builders.ts';
import { type Step, unchanged } from '../email/email.ts';
import { advance, type EmailEvent, engagementOf, isNews, messageIdOf, occurrenceOf } from './progress.rules.ts';

const event = (status: string, params: EmailEvent['params'] = {}): EmailEvent => ({
  resourceSid: 'LRzXl_NHStOGhQ4kofSm_A.recvd-5b8c9d6f7-abcde-1-5515E0B88.0',
  status,
  errorCode: null,
  providerTime: '2026-11-24T18:00:01.000Z',
  params,
});
const hardBounce = event('bounce', { type: 'bounce', status: '5.1.1' });

/** Every way SendGrid leads an email through. */
const runs = [
  ['processed', 'delivered'],
  ['processed', 'deferred', 'deferred', 'delivered'],
  ['processed', 'deferred', 'bounce:blocked'],
  ['processed', 'bounce:hard'],
  ['dropped'],
  ['processed', 'delivered', 'bounce:hard'],
  ['processed', 'delivered', 'spamreport'],
  ['processed', 'delivered', 'open', 'click', 'group_unsubscribe'],
  ['processed', 'event_of_tomorrow', 'delivered', 'open', 'spamreport'],
].map((names) =>
  names.map((name) => {
    if (name === 'bounce:hard') return hardBounce;
    if (name === 'bounce:blocked') return event('bounce', { type: 'blocked', status: '5.7.1' });
    return name === 'dropped' ? event(name, { reason: 'Invalid' }) : event(name);
  }),
);
const aRun = fc.constantFrom(...runs);
const submitted = email({ state: 'submitted', sequence: 4, providerSid: 'LRzXl_NHStOGhQ4kofSm_A', attempt: 1 });

function apply(events: readonly EmailEvent[], from = submitted): Step {
  return events.reduce((step, one) => advance(step, one, now).step, unchanged(from));
}

/** What a caller can see, without the way it came there; counts are the business of who drops repeats. */
function outcome({ email: { state, error, providerSid } }: Step) {
  return { state, error, providerSid };
}

describe('events of SendGrid', () => {
  it('end where the ordered run ends, however they are shuffled and repeated', () => {
    const mixed = aRun.chain((run) =>
      fc.tuple(
        fc.constant(run),
        fc.shuffledSubarray([...run, ...run, ...run], { minLength: run.length * 3, maxLength: run.length * 3 }),
      ),
    );
    fc.assert(
      fc.property(
        mixed,
        fc.constantFrom(submitted, { ...submitted, state: 'submitting' as const }),
        ([run, events], from) => expect(outcome(apply(events, from))).toEqual(outcome(apply(run, from))),
      ),
      { numRuns: 1000 },
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

  it('number the moves without gaps, and never go back', () => {
    fc.assert(
      fc.property(fc.array(aRun), (all) => {
        const { changes } = apply(all.flat());
        expect(changes.map(({ sequence }) => sequence)).toEqual(changes.map((_, index) => 5 + index));
      }),
    );
  });

  it.each([
    ['processed', 'applied', 'processed'],
    ['open', 'applied', 'delivered'],
    ['event_of_tomorrow', 'unknown', 'submitted'],
  ])('%s is %s', (status, expected, state) => {
    const { step, outcome } = advance(unchanged(submitted), event(status), now);
    expect([outcome, step.email.state]).toEqual([expected, state]);
  });

  it('are not about an email that was never handed over', () => {
    const { step, outcome } = advance(unchanged(email({ state: 'queued' })), event('delivered'), now);
    expect([outcome, step.email.state]).toEqual(['ignored', 'queued']);
  });

  it('settle an email that waits for its next attempt: there is nothing left to send', () => {
    const waiting = email({ state: 'submitting', dueAt: now.toISOString(), attempt: 1, templateData: { a: 1 } });
    expect(apply([event('processed')], waiting).email).toMatchObject({
      state: 'processed',
      dueAt: null,
      templateData: null,
      providerSid: 'LRzXl_NHStOGhQ4kofSm_A',
    });
    expect(apply([event('event_of_tomorrow')], waiting).email).toMatchObject({ state: 'submitting', dueAt: null });
  });

  it('count opens of people and of machines apart', () => {
    const opens = [event('open'), event('open', { sg_machine_open: true }), event('open', { sg_machine_open: false })];
    expect(apply([...opens, event('click')]).email).toMatchObject({ opens: 2, machineOpens: 1, clicks: 1 });
  });

  it.each([
    ['processed', 'submitted', true],
    ['processed', 'delivered', false],
    ['bounce', 'delivered', true],
    ['open', 'submitted', false],
    ['delivered', 'queued', false],
    ['event_of_tomorrow', 'submitted', false],
  ] as const)('%s for an email that is %s is news for sure: %s', (status, state, expected) => {
    expect(isNews({ state }, { status })).toBe(expected);
  });

  it.each([
    ['open', {}, 'open'],
    ['open', { sg_machine_open: true }, 'machine_open'],
    ['group_unsubscribe', {}, 'group_unsubscribe'],
    ['delivered', {}, undefined],
  ])('%s %j is the deed %s', (status, params, kind) => expect(engagementOf({ status, params })).toBe(kind));
});

describe('the X-Message-Id', () => {
  it.each([
    ['LRzXl_NHStOGhQ4kofSm_A.recvd-5b8c9d6f7-abcde-1-5515E0B88.0', undefined, 'LRzXl_NHStOGhQ4kofSm_A'],
    ['14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0', undefined, '14c5d75ce93.dfd.64b469'],
    ['wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0', '<other@ismtpd-1>', 'wrfRRvF7Q0GgwUo2CvDmEA'],
    [
      'filter0093p1las1.9128.5717FB8127.0',
      '<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>',
      'wrfRRvF7Q0GgwUo2CvDmEA',
    ],
    ['', '<wrfRRvF7Q0GgwUo2CvDmEA@geopod-ismtpd-1>', 'wrfRRvF7Q0GgwUo2CvDmEA'],
    ['plain', undefined, 'plain'],
    ['', undefined, null],
    ['', 'no id', null],
  ])('of %j and %j is %s', (resourceSid, smtpId, expected) => {
    expect(messageIdOf({ resourceSid, params: smtpId === undefined ? {} : { 'smtp-id': smtpId } })).toBe(expected);
  });
});

describe('an occurrence', () => {
  const deferral = event('deferred', { attempt: '1', sg_event_id: 'a', sb_message_id: 'x' });
  it('is the same under another id of SendGrid, and without custom arguments', () => {
    const again = { ...deferral, resourceSid: '', params: { attempt: '1', sg_event_id: 'b' } };
    expect(occurrenceOf(again)).toBe(occurrenceOf(deferral));
  });

  it.each([
    ['another kind', { ...deferral, status: 'bounce' }],
    ['another second', { ...deferral, providerTime: '2026-11-24T18:00:02.000Z' }],
    ['another attempt', { ...deferral, params: { attempt: '2' } }],
    ['another link', { ...deferral, params: { attempt: '1', url: 'https://example.com' } }],
    ['another place', { ...deferral, params: { attempt: '1', ip: '192.0.2.1' } }],
  ])('is another with %s', (_label, other) => expect(occurrenceOf(other)).not.toBe(occurrenceOf(deferral)));
});
