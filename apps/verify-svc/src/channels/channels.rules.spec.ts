import { describe, expect, it } from '@jest/globals';
import { type VerifyChannelPolicy } from '@signalbox/tenants';
import { planOf, replan } from './plan.rules.ts';
import { classOfRefusal } from './refusal.rules.ts';

const policy: VerifyChannelPolicy = { order: ['sms', 'call', 'email'], fallback: true };
const number = '+14155550199';
const email = 'a@example.com';

describe('the plan of channels', () => {
  const channels = (...args: Parameters<typeof planOf>) => planOf(...args).map(({ channel }) => channel);

  it.each([
    ['auto', number, email, ['sms', 'call', 'email']],
    ['auto', number, null, ['sms', 'call']],
    ['auto', null, email, ['email']],
    ['call', number, email, ['call', 'email']],
    ['whatsapp', number, email, ['whatsapp', 'sms', 'call', 'email']],
    ['email', number, email, ['email']],
    ['email', number, null, []],
    ['sms', null, email, []],
    ['totp', null, null, ['totp']],
  ] as const)('%s with %s and %s is %j', (channel, to, address, expected) => {
    expect(channels({ channel, number: to, email: address }, policy)).toEqual(expected);
  });

  it('is the channel alone where the tenant wants no fallback', () => {
    expect(channels({ channel: 'sms', number, email }, { ...policy, fallback: false })).toEqual(['sms']);
    expect(channels({ channel: 'auto', number, email }, { ...policy, fallback: false })).toEqual([
      'sms',
      'call',
      'email',
    ]);
  });

  it('takes the channel the user asks for next, and each at most once more', () => {
    const plan = planOf({ channel: 'auto', number, email }, policy);
    expect(replan(plan, 0, { channel: 'email', to: email })).toEqual({
      plan: [plan[0], { channel: 'email', to: email }, plan[1]],
      position: 1,
    });
    expect(replan(plan, 1, { channel: 'call', to: number })).toEqual({ plan, position: 1 });
  });
});

describe('a refused start', () => {
  it.each([
    [60200, 400, 'Invalid parameter: To', 'next'],
    [60200, 400, 'Invalid parameter `Channel`: whatsapp', 'next'],
    [60200, 400, 'Invalid parameter: CustomCode', 'final'],
    [60200, 400, 'something else', 'next'],
    [60202, 429, '', 'final'],
    [60203, 429, '', 'next'],
    [60205, 403, '', 'next'],
    [60212, 429, '', 'next'],
    [60410, 403, '', 'next'],
    [60238, 403, '', 'final'],
    [20429, 429, '', 'next'],
    [20003, 401, '', 'later'],
    [null, 403, '', 'later'],
    [null, 400, '', 'next'],
    [69999, 400, '', 'next'],
  ] as const)('with %s (%s, %j) means %s', (code, status, message, expected) => {
    expect(classOfRefusal(code, status, message)).toBe(expected);
  });
});
