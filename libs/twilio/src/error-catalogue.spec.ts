import { describe, expect, it } from '@jest/globals';
import { failure } from '@signalbox/contracts';
import { catalogue, classify, describeFailure } from './error-catalogue.ts';
import { entries } from './error-catalogue.data.ts';

describe('classify', () => {
  it.each([
    [20003, 'configuration', false],
    [20429, 'rate', true],
    [21211, 'terminal', false],
    [21408, 'configuration', false],
    [21610, 'compliance', false],
    [21611, 'rate', true],
    [21614, 'terminal', false],
    [30001, 'rate', true],
    [30003, 'terminal', false],
    [30005, 'terminal', false],
    [30006, 'terminal', false],
    [30007, 'compliance', false],
    [30008, 'unknown', true],
    [30017, 'retryable', true],
    [30034, 'configuration', false],
    [30035, 'configuration', true],
    [30410, 'unknown', false],
    [30450, 'fraud', false],
    [63016, 'configuration', false],
    [60202, 'rate', false],
    [60203, 'rate', false],
    [60410, 'fraud', false],
  ])('%i is %s, retryable: %s', (code, failureClass, retryable) => {
    expect(classify(code)).toMatchObject({ code, class: failureClass, retryable });
  });

  it('trusts the code more than the status: 60202 comes with 429', () => {
    expect(classify(60202, 429).retryable).toBe(false);
  });

  it.each([
    [undefined, 'unknown', false],
    [400, 'unknown', false],
    [401, 'configuration', false],
    [403, 'configuration', false],
    [404, 'configuration', false],
    [408, 'retryable', true],
    [429, 'rate', true],
    [500, 'retryable', true],
    [503, 'retryable', true],
  ])('an unknown code with status %s is %s, retryable: %s', (status, failureClass, retryable) => {
    expect(classify(99999, status)).toMatchObject({ code: 99999, class: failureClass, retryable });
    expect(classify(null, status)).toMatchObject({ code: null, class: failureClass, retryable });
  });
});

describe('the catalogue', () => {
  it('names each code once, with words that fit a table', () => {
    expect(catalogue.size).toBe(entries.length);
    for (const { title, remedy } of catalogue.values()) {
      expect(title).toMatch(/^[^.]{10,60}$/);
      expect(remedy).toMatch(/^[A-Z].{5,90}\.$/);
    }
  });

  it.each([
    [21610, undefined, 21610],
    [null, 502, 'http_502'],
    [null, undefined, 'unknown'],
    [99999, undefined, 99999],
  ])('describes %s with status %s as the contract has it', (code, status, told) => {
    const described = describeFailure(code, status);
    expect(failure.parse(described)).toEqual(described);
    expect(described.code).toBe(told);
  });

  it.each([
    ['a code with a runbook', 30003, undefined, 'docs/runbooks/twilio/30003.md'],
    ['a catalogued code without one', 21604, undefined, 'https://www.twilio.com/docs/api/errors/21604'],
    ['a code nobody has catalogued', 99999, 400, 'https://www.twilio.com/docs/api/errors/99999'],
    ['no code at all', null, 503, undefined],
  ])('leads from %s to what to do', (_label, code, status, runbook) => {
    expect(describeFailure(code, status).runbook).toBe(runbook);
  });
});
