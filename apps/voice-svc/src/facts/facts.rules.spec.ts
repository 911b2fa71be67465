import { describe, expect, it } from '@jest/globals';
import { examples, type TwilioCallStatus } from '@signalbox/contracts';
import fc from 'fast-check';
import { conferenceEventOf } from './conference.ts';
import { closing, type Facts, factsOf, join, nextAsk } from './facts.rules.ts';

const callSid = 'CA00000000000000000000000000000001';
const told = (status: string, seconds: number, params: Record<string, string> = {}): TwilioCallStatus => ({
  ...examples['twilio.call.status.v1'],
  resourceSid: callSid,
  status,
  providerTime: new Date(Date.UTC(2026, 10, 24, 18, 0, seconds)).toISOString(),
  params: { CallSid: callSid, CallStatus: status, Direction: 'outbound-api', From: '+1', To: '+2', ...params },
});
const run = [
  told('initiated', 0),
  told('ringing', 2),
  told('in-progress', 9),
  told('completed', 51, { CallDuration: '42', SipResponseCode: '200', AnsweredBy: 'human' }),
];

describe('the facts of a call', () => {
  it('are the same in whatever order they came', () => {
    const facts = run.flatMap((data) => factsOf(data, null) ?? []);
    const inOrder = facts.reduce(join);
    fc.assert(
      fc.property(fc.shuffledSubarray(facts, { minLength: 4 }), (shuffled) => {
        expect(shuffled.reduce(join)).toEqual(inOrder);
      }),
    );
    const bill = { price: '-0.01400', currency: 'USD', queueSeconds: 1 };
    expect(closing(inOrder, bill, '2026-11-24T18:05:00.000Z')).toMatchObject({
      callSid,
      postDialSeconds: 2,
      ringSeconds: 7,
      durationSeconds: 42,
      sipResponseCode: 200,
      answeredBy: 'human',
      status: 'completed',
      price: '-0.01400',
    });
  });

  it('stay unknown where nothing was told, and are never negative', () => {
    const [ringing, answered] = [told('ringing', 5), told('in-progress', 3)].map((data) => factsOf(data, null));
    const facts = join(ringing as Facts, answered as Facts);
    const unpaid = { price: null, currency: null, queueSeconds: null };
    expect(closing(facts, unpaid, '2026-11-24T18:05:00.000Z')).toMatchObject({
      ringSeconds: 0,
      postDialSeconds: null,
      price: null,
    });
  });

  it.each([
    ['a conference', { ConferenceSid: 'CF1', StatusCallbackEvent: 'participant-join' }],
    ['a media stream', { StreamSid: 'MZ1' }],
  ])('are not told by callbacks of %s', (_label, params) => {
    expect(factsOf(told('in-progress', 0, params), null)).toBeUndefined();
  });

  it('are asked for again, ever more seldom, and in the end no more', () => {
    const now = new Date('2026-11-24T18:00:00.000Z');
    expect([1, 2, 3].map((asks) => nextAsk(asks, now, 60_000))).toEqual([
      '2026-11-24T18:02:00.000Z',
      '2026-11-24T18:04:00.000Z',
      '2026-11-24T18:08:00.000Z',
    ]);
    expect(nextAsk(10, now, 60_000)).toBeNull();
  });
});

describe('what happens in a conference', () => {
  it('is told with its participant', () => {
    const data = told('participant-mute', 0, {
      ConferenceSid: 'CF1',
      FriendlyName: 'room',
      StatusCallbackEvent: 'participant-mute',
      Muted: 'true',
      Hold: 'false',
    });
    expect(conferenceEventOf('id', { ...data, sequence: 3 })).toMatchObject({
      data: {
        conferenceSid: 'CF1',
        name: 'room',
        kind: 'participant-mute',
        callSid,
        muted: true,
        hold: false,
        sequence: 3,
      },
    });
    expect(conferenceEventOf('id', told('ringing', 0))).toBeUndefined();
  });
});
