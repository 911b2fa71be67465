import { describe, expect, it } from '@jest/globals';
import { later, now, providerSid, verification } from '../../test/builders.ts';
import type { Verification } from '../verification/verification.ts';
import { taskOf } from './due.rules.ts';

const due = now.toISOString();
const over = later(-1).toISOString();
const cases: [string, Partial<Verification>, object][] = [
  ['not due yet', { dueAt: later(1).toISOString(), wants: 'asked' }, { task: 'wait' }],
  ['to be sent', { wants: 'asked' }, { task: 'send', why: 'asked' }],
  ['under way', {}, { task: 'wait', dueAt: verification().expiresAt }],
  ['pending without a word', { state: 'pending' }, { task: 'ask' }],
  ['pending on the last channel', { state: 'pending', position: 1 }, { task: 'wait', dueAt: verification().expiresAt }],
  ['over', { state: 'pending', expiresAt: over }, { task: 'end', step: { verification: { state: 'expired' } } }],
  ['over, in doubt', { expiresAt: over }, { task: 'end', step: { verification: { state: 'expired' } } }],
  [
    'over before it was sent',
    { attempts: 0, expiresAt: over, wants: 'asked' },
    { task: 'end', step: { verification: { state: 'failed', error: { code: 'not_sent_in_time' } } } },
  ],
  ['approved, and Twilio does not know', { state: 'approved', toTell: 'approved', providerSid }, { task: 'tell' }],
  ['just over, and Twilio does not know', { state: 'canceled', toTell: 'canceled', expiresAt: over }, { task: 'tell' }],
  [
    'of a time that Twilio has forgotten',
    { state: 'canceled', toTell: 'canceled', expiresAt: later(-10 * 60_000).toISOString() },
    { task: 'wait', dueAt: null },
  ],
  ['approved', { state: 'approved' }, { task: 'wait', dueAt: null }],
];

describe('what is due', () => {
  it.each(cases)('of one that is %s', (_label, changes, expected) => {
    expect(taskOf(verification({ dueAt: due, ...changes }), now)).toMatchObject(expected);
  });
});
