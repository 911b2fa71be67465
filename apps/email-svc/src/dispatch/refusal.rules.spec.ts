import { describe, expect, it } from '@jest/globals';
import { judgeRefusal } from './refusal.rules.ts';

const refusal = (status: number, ...fields: (string | null)[]) => ({
  status,
  faults: fields.map((field) => ({ field })),
  retryAfterMs: null,
});
const at = (...places: number[]) => ({ kind: 'some', at: new Set(places) });

describe('a refused call', () => {
  it.each([
    [429, 'deferred', 'too_many_requests'],
    [500, 'in_doubt', 'provider_error'],
    [503, 'in_doubt', 'provider_error'],
    [401, 'deferred', 'credentials_refused'],
    [403, 'deferred', 'scope_missing'],
  ])('with %i is %s for all: %s', (status, kind, code) => {
    expect(judgeRefusal(refusal(status), 10)).toMatchObject({
      kind: 'all',
      outcome: { kind, error: { code }, httpStatus: status },
    });
  });

  it('holds the account for a key that is refused or may not send, and not for a sender that is not verified', () => {
    for (const status of [401, 403]) {
      expect(judgeRefusal(refusal(status), 2)).toMatchObject({ outcome: { credentials: true } });
    }
    expect(judgeRefusal(refusal(403, 'from'), 2)).toMatchObject({
      kind: 'all',
      outcome: { kind: 'refused', error: { code: 'sender_not_verified' } },
    });
  });

  it.each([
    ['one recipient', refusal(400, 'personalizations.3.to.0.email'), 10, at(3)],
    ['two recipients', refusal(400, 'personalizations.3.to.0.email', 'personalizations.7.custom_args'), 10, at(3, 7)],
    ['a recipient beside what is shared', refusal(400, 'personalizations.3.to', 'content'), 10, at(3)],
    ['what is shared', refusal(400, 'from.email'), 10, { kind: 'all', outcome: { kind: 'refused' } }],
    ['nobody knows what', refusal(400, null), 10, { kind: 'halves' }],
    ['nothing that is named', refusal(400), 10, { kind: 'halves' }],
    ['all recipients together', refusal(400, 'personalizations'), 10, { kind: 'halves' }],
    ['a place that is not there', refusal(400, 'personalizations.10.to'), 10, { kind: 'halves' }],
    ['its only recipient', refusal(400, null), 1, { kind: 'all', outcome: { kind: 'refused' } }],
    ['its size', refusal(413), 10, { kind: 'halves' }],
    ['the size of one email', refusal(413), 1, { kind: 'all', outcome: { error: { code: 'payload_too_large' } } }],
  ])('for the sake of %s', (_label, refused, count, verdict) => {
    expect(judgeRefusal(refused, count)).toMatchObject(verdict);
  });

  it('is told with the names of fields, and nothing else of what SendGrid says', () => {
    const verdict = judgeRefusal(refusal(400, 'personalizations.0.to.0.email', 'subject'), 1);
    expect(verdict).toMatchObject({
      outcome: {
        error: { title: 'SendGrid refuses the request as invalid (HTTP 400): personalizations.to.email, subject' },
      },
    });
  });
});
