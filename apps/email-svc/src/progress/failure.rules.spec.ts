import { describe, expect, it } from '@jest/globals';
import { bounceKind, failureOf } from './failure.rules.ts';

describe('a bounce', () => {
  it.each([
    ['bounce', '5.1.1', null, 'hard'],
    ['bounce', '4.2.2', null, 'soft'],
    ['bounce', '', 550, 'hard'],
    ['bounce', '', 452, 'soft'],
    ['bounce', undefined, null, 'hard'],
    ['blocked', '5.7.1', 550, 'blocked'],
    ['blocked', '4.7.1', 421, 'blocked'],
  ])('of type %s with status %s and reply %s is %s', (type, status, errorCode, kind) => {
    const params = { type, ...(status !== undefined && { status }) };
    expect(bounceKind({ params, errorCode })).toBe(kind);
  });
});

describe('what an event means', () => {
  it.each([
    ['bounce', { type: 'bounce', status: '5.0.0' }, 'hard_bounce'],
    ['dropped', { reason: 'Bounced Address' }, 'dropped_suppressed'],
    ['dropped', { reason: 'Unsubscribed Address' }, 'dropped_suppressed'],
    ['dropped', { reason: 'Spam Reporting Address' }, 'dropped_suppressed'],
    ['dropped', { reason: 'Invalid' }, 'dropped_invalid'],
    ['dropped', { reason: 'Recipient List over Package Quota' }, 'dropped'],
    ['dropped', {}, 'dropped'],
    ['delivered', {}, undefined],
    ['spamreport', {}, undefined],
  ])('%s %j is %s', (status, params, code) => {
    expect(failureOf({ status, params, errorCode: null })?.code).toBe(code);
  });
});
