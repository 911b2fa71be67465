import { describe, expect, it } from '@jest/globals';
import { readOverrides } from './connection-overrides.rules.ts';

const url = 'https://signalbox.example/twilio/sms/status?messageId=1&traceparent=00-a-b-01';
const defaults = {
  connectTimeout: 5_000,
  readTimeout: 15_000,
  totalTimeout: 15_000,
  retryCount: 1,
  retryOn: new Set(['ct']),
};

describe('readOverrides', () => {
  it.each([
    ['no fragment', '', {}],
    ['an empty fragment', '#', {}],
    ['ours', '#rc=5&rp=5xx,ct,rt', { retryCount: 5, retryOn: new Set(['5xx', 'ct', 'rt']) }],
    ['all failures', '#rp=all', { retryOn: new Set(['4xx', '5xx', 'ct', 'rt']) }],
    ['no retries', '#rc=0', { retryCount: 0 }],
    ['times', '#ct=100&rt=200&tt=300', { connectTimeout: 100, readTimeout: 200, totalTimeout: 300 }],
    ['values out of range', '#rc=6&ct=99&rt=15001&tt=1e3', {}],
    ['an unknown policy', '#rp=teapot', {}],
    ['an escaped comma', '#rp=5xx%2Crt', { retryOn: new Set(['5xx', 'rt']) }],
  ])('%s', (_label, fragment, overrides) => {
    expect(readOverrides(url + fragment)).toEqual({ url, overrides: { ...defaults, ...overrides } });
  });
});
