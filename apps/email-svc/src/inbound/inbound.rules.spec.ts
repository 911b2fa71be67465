import { describe, expect, it } from '@jest/globals';
import { examples, sendgridEmailReceived, type SendgridEmailReceived } from '@signalbox/contracts';
import { readInbound } from './inbound.rules.ts';

const callback = sendgridEmailReceived.parse(examples['sendgrid.email.received.v1']);
const context = {
  id: '019a0000-0000-7000-8000-000000000001',
  occurrence: 'one',
  traceparent: undefined,
  sanitise: (html: string) => ({ html: `clean ${html}`, cut: false }),
  emailOf: () => undefined,
};
const read = (changes: Partial<SendgridEmailReceived>) => readInbound({ ...callback, ...changes }, context);

describe('readInbound', () => {
  it.each([
    ['a pass', '{@example.org : pass}', [{ domain: 'example.org', result: 'pass' }]],
    [
      'two signatures',
      '{@Example.org : pass, @list.example : fail}',
      [
        { domain: 'example.org', result: 'pass' },
        { domain: 'list.example', result: 'fail' },
      ],
    ],
    ['none', 'none', []],
    ['nothing', undefined, []],
  ])('reads DKIM: %s', (_label, dkim, expected) => {
    expect(read({ params: { ...(dkim !== undefined && { dkim }) } }).received.dkim).toEqual(expected);
  });

  it.each([
    ['a score', '4.5', 4.5],
    ['a negative one', '-0.1', -0.1],
    ['no number', 'high', null],
    ['an empty field', '', null],
  ])('reads the spam score: %s', (_label, score, expected) => {
    expect(read({ params: { spam_score: score } }).received.spamScore).toBe(expected);
  });

  it('takes the author from the header, and the envelope where it has none', () => {
    expect(read({ params: { from: '"Ann" <A@Example.com>' } }).received).toMatchObject({
      from: 'a@example.com',
      fromName: 'Ann',
      envelopeFrom: 'a@example.com',
    });
    expect(read({ from: 'bounces@example.com', params: {} }).received).toMatchObject({ from: 'bounces@example.com' });
  });

  it('sanitises, and says what was too long', () => {
    const { received } = read({ html: '<p>x', params: { sb_html_blob: 'key', SPF: 'SoftFail' } });
    expect(received).toMatchObject({ html: 'clean <p>x', cut: true, htmlBlob: 'key', textBlob: null, spf: 'softfail' });
    expect(read({}).received.cut).toBe(false);
  });

  it('has no Message-ID where the callback has a digest', () => {
    expect(read({ resourceSid: 'sha256:00' }).received.messageId).toBeNull();
    expect(read({}).received.messageId).toBe('<4F34184B.7040006@example.com>');
  });
});
