import { describe, expect, it } from '@jest/globals';
import { TwilioTransportError } from './errors.ts';
import { outcomeOfError, outcomeOfRefusal } from './outcome.rules.ts';

describe('outcomeOfRefusal', () => {
  it.each<[number | null, number, string, string]>([
    [20429, 429, 'deferred', 'was never processed'],
    [null, 500, 'in_doubt', 'may have been processed'],
    [null, 503, 'in_doubt', 'may have been processed'],
    [20003, 401, 'deferred', 'our credentials are wrong, not the message'],
    [21211, 400, 'refused', 'no such recipient'],
    [21610, 400, 'refused', 'opted out'],
    [21611, 400, 'deferred', 'the queue of the sender is full'],
    [99999, 400, 'refused', 'a code nobody knows'],
  ])('code %s with HTTP %i is %s: %s', (code, status, kind) => {
    expect(outcomeOfRefusal(code, status, null).kind).toBe(kind);
  });
});

describe('outcomeOfError', () => {
  it.each<[string, unknown, string]>([
    ['not a byte left', new TwilioTransportError('not_sent', 'ECONNREFUSED', { cause: null }), 'deferred'],
    ['no answer came', new TwilioTransportError('in_doubt', 'TIMEOUT', { cause: null }), 'in_doubt'],
    ['it is not known what happened', new TypeError('surprise'), 'in_doubt'],
  ])('%s: %s is %s', (_label, error, kind) => {
    expect(outcomeOfError(error)).toMatchObject({ kind, httpStatus: null });
  });
});
