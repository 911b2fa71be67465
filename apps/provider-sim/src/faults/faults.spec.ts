import { describe, expect, it } from '@jest/globals';
import { faultPlan } from './fault-plan.ts';
import { Faults } from './faults.ts';

const play = (plan: object) => {
  const faults = new Faults();
  faults.replace(faultPlan.parse(plan));
  return faults;
};
const draw = (faults: Faults, times = 10_000) => {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const fault = faults.requestFault('create') ?? 'none';
    counts[fault] = (counts[fault] ?? 0) + 1;
  }
  return counts;
};

describe('the fault plan of the design', () => {
  const plan = {
    latencyMs: [5, 80],
    rates: { '429': 0.05, '500': 0.03, timeoutBefore: 0.01, timeoutAfter: 0.02 },
    callbacks: { duplicate: 0.2, reorder: 0.2, drop: 0.02, delayMs: [0, 500] },
    errors: [{ prefix: '+1415999', code: 30003 }],
  };

  it('is taken as it stands', () => {
    expect(faultPlan.safeParse(plan).error).toBeUndefined();
  });

  it('draws each fault about as often as it says', () => {
    const counts = draw(play({ ...plan, seed: 1 }), 20_000);
    expect(counts['429']).toBeGreaterThan(850);
    expect(counts['429']).toBeLessThan(1_150);
    expect(counts['timeoutAfter']).toBeGreaterThan(300);
    expect(counts['timeoutAfter']).toBeLessThan(500);
    expect(counts['none']).toBeGreaterThan(17_500);
  });

  it('keeps delays and latency within their spans', () => {
    const faults = play({ ...plan, seed: 2 });
    for (let i = 0; i < 1_000; i++) {
      const { beforeMs, afterMs } = faults.latency('create') ?? { beforeMs: -1, afterMs: -1 };
      expect(beforeMs).toBeGreaterThanOrEqual(0);
      expect(afterMs).toBeGreaterThanOrEqual(0);
      expect(beforeMs + afterMs).toBeGreaterThanOrEqual(5);
      expect(beforeMs + afterMs).toBeLessThanOrEqual(80);
      expect(faults.stepDelayMs()).toBeLessThanOrEqual(500);
    }
  });
});

it.each([
  ['an unknown key', { rate: {} }],
  ['an unknown rate', { rates: { '503': 0.1 } }],
  ['a rate above 1', { rates: { '429': 2 } }],
  ['rates that add up to more than 1', { rates: { '429': 0.6, '500': 0.6 } }],
  ['a span that runs backwards', { latencyMs: [80, 5] }],
  ['a prefix that is no number', { errors: [{ prefix: '1415', code: 30003 }] }],
  ['a code of no dictionary', { errors: [{ prefix: '+1415', code: 3 }] }],
  ['an HTTP status for a late failure', { errors: [{ prefix: '+1415', code: 30003, status: 400 }] }],
  ['an end for a refusal of Verify', { errors: [{ prefix: '+1415', code: 60410, status: 'failed' }] }],
  ['a channel that is none', { errors: [{ prefix: '+1415', code: 60410, channels: ['pigeon'] }] }],
])('a plan with %s is refused', (_label, plan) => {
  expect(faultPlan.safeParse(plan).success).toBe(false);
});

it('does nothing without a plan', () => {
  expect(draw(new Faults())).toEqual({ none: 10_000 });
  expect(new Faults().latency('create')).toBeUndefined();
});

it('repeats itself for the same seed', () => {
  const plan = { rates: { '429': 0.5 }, seed: 7 };
  const sequence = (faults: Faults) => Array.from({ length: 50 }, () => faults.requestFault('create'));
  expect(sequence(play(plan))).toEqual(sequence(play(plan)));
  expect(sequence(play(plan))).not.toEqual(sequence(play({ ...plan, seed: 8 })));
});

it('touches only the operations it is for', () => {
  const faults = play({ rates: { '500': 1 }, operations: ['list'] });
  expect(faults.requestFault('create')).toBeUndefined();
  expect(faults.requestFault('list')).toBe('500');
});

describe('errors by destination', () => {
  const faults = play({
    errors: [
      { prefix: '+1415', code: 30003 },
      { prefix: '+1415999', code: 30005, status: 'failed' },
      { prefix: '+1416', code: 21408, status: 403 },
      { prefix: 'whatsapp:+1417', code: 63024 },
      { prefix: '+1418', code: 30008, rate: 0 },
    ],
  });

  it('go by the longest prefix', () => {
    expect(faults.deliveryError('+14155550199')).toEqual({ code: 30003, status: 'undelivered' });
    expect(faults.deliveryError('+14159990199')).toEqual({ code: 30005, status: 'failed' });
    expect(faults.deliveryError('+14205550199')).toBeUndefined();
  });

  it('below 30000 refuse the create instead', () => {
    expect(faults.refusal('+14165550199')).toEqual({ code: 21408, status: 403 });
    expect(faults.deliveryError('+14165550199')).toBeUndefined();
    expect(faults.refusal('+14155550199')).toBeUndefined();
  });

  it('hold for a number on every channel, or for one channel', () => {
    expect(faults.deliveryError('whatsapp:+14155550199')?.code).toBe(30003);
    expect(faults.deliveryError('whatsapp:+14175550199')?.code).toBe(63024);
    expect(faults.deliveryError('+14175550199')).toBeUndefined();
  });

  it('happen as often as their rate', () => {
    expect(faults.deliveryError('+14185550199')).toBeUndefined();
  });
});

describe('errors of Verify by destination', () => {
  const faults = play({
    errors: [
      { prefix: '+1415', code: 60410, channels: ['sms'] },
      { prefix: '+1415999', code: 30003 },
      { prefix: '+1416', code: 21211 },
      { prefix: 'bounce@', code: 30008, channels: ['email'], status: 'failed' },
    ],
  });

  it('refuse starts on the channels they are for, and no message', () => {
    expect(faults.verifyRefusal('+14155550199', 'sms')).toEqual({ code: 60410 });
    expect(faults.verifyRefusal('+14155550199', 'call')).toBeUndefined();
    expect(faults.refusal('+14155550199')).toBeUndefined();
  });

  it('go by the longest prefix, whether it refuses or fails later', () => {
    expect(faults.verifyRefusal('+14159990199', 'sms')).toBeUndefined();
    expect(faults.verifyDeliveryError('+14159990199', 'sms')).toEqual({ code: 30003, status: 'undelivered' });
    expect(faults.deliveryError('+14159990199')).toEqual({ code: 30003, status: 'undelivered' });
  });

  it('are not those that refuse messages', () => {
    expect(faults.verifyRefusal('+14165550199', 'sms')).toBeUndefined();
    expect(faults.refusal('+14165550199')).toEqual({ code: 21211 });
  });

  it('hold for email addresses too', () => {
    expect(faults.verifyDeliveryError('bounce@example.com', 'email')).toEqual({ code: 30008, status: 'failed' });
    expect(faults.verifyDeliveryError('ada@example.com', 'email')).toBeUndefined();
  });
});
