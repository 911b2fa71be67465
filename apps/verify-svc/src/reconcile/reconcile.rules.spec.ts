import { describe, expect, it } from '@jest/globals';
import { attempt, attemptSid, later, now, providerSid } from '../../test/builders.ts';
import { type FoundVerification, judgeDoubt } from './reconcile.rules.ts';

const found = (...attempts: FoundVerification['attempts']): FoundVerification => ({
  sid: providerSid,
  createdAt: now.toISOString(),
  attempts,
});
const sms = { sid: attemptSid, channel: 'sms', at: later(300) };

describe('an attempt in doubt', () => {
  it.each([
    ['that Twilio lists', found(sms), [], 'accepted'],
    ['whose time Twilio does not tell', found({ ...sms, at: null }), [], 'accepted'],
    ['that Twilio lists within the same second', found({ ...sms, at: later(-900) }), [], 'accepted'],
    ['of which Twilio has nothing', null, [], 'not_taken'],
    ['when what is listed is another attempt', found(sms), [attemptSid], 'not_taken'],
    ['when what is listed went by another channel', found({ ...sms, channel: 'call' }), [], 'not_taken'],
    ['when what is listed is older', found({ ...sms, at: later(-60_000) }), [], 'not_taken'],
    ['behind others that are known', found({ ...sms, sid: 'VL2' }, sms), ['VL2'], 'accepted'],
  ])('%s', (_label, at, claimed, expected) => {
    expect(judgeDoubt(attempt(), at, new Set(claimed)).kind).toBe(expected);
  });
});
