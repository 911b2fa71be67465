import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { signatureVectors } from './fixtures/signatures.ts';
import { type FormParams, parseForm } from './form.ts';
import { checkSignature, sign, type SignedContent } from './signature.ts';

const url = 'https://hooks.example.com/twilio/sms/status?messageId=1';

function params(form: string): FormParams {
  const parsed = parseForm(form);
  if (!parsed.ok) throw new Error(parsed.why);
  return parsed.params;
}

describe("vectors of Twilio's own libraries", () => {
  it.each(signatureVectors)('$label ($sources)', ({ form, json, authToken = '12345', valid, ...vector }) => {
    const content: SignedContent = json === undefined ? { params: params(form ?? '') } : { json };
    expect(checkSignature({ ...vector, ...content, authTokens: [authToken] }).ok).toBe(valid);
  });
});

describe('checkSignature', () => {
  const content = { params: params('MessageSid=SM1&MessageStatus=sent') };
  const signature = sign({ url, ...content, authToken: 'current' });

  it.each([
    ['the only token', ['current'], { ok: true, tokenIndex: 0 }],
    ['the second of two, during a rotation', ['next', 'current'], { ok: true, tokenIndex: 1 }],
    ['a token of somebody else', ['other'], { ok: false, why: 'mismatch' }],
    ['no token at all', [], { ok: false, why: 'mismatch' }],
  ])('%s', (_label, authTokens, expected) => {
    expect(checkSignature({ url, ...content, signature, authTokens })).toEqual(expected);
  });

  it.each([
    ['absent', undefined, 'missing'],
    ['empty', '', 'missing'],
    ['not base64', '?'.repeat(28), 'malformed'],
    ['too short', 'c2hvcnQ=', 'malformed'],
    ['too long', 'A'.repeat(10_000), 'malformed'],
    ['followed by something', `${signature} `, 'malformed'],
    [
      'of HMAC-SHA256 where SHA-1 is configured',
      sign({ url, ...content, authToken: 'current', algorithm: 'sha256' }),
      'malformed',
    ],
    ['right in form, wrong in content', Buffer.alloc(20).toString('base64'), 'mismatch'],
  ])('a signature that is %s: %s', (_label, given, why) => {
    expect(checkSignature({ url, ...content, signature: given, authTokens: ['current'] })).toEqual({ ok: false, why });
  });

  it.each([
    ['a parameter', url, { params: params('MessageSid=SM1&MessageStatus=delivered') }],
    ['an added parameter', url, { params: params('MessageSid=SM1&MessageStatus=sent&x=') }],
    ['the query', `${url}2`, content],
    ['the host', url.replace('hooks', 'Hooks'), content],
    ['the scheme', url.replace('https', 'http'), content],
  ])('notices a change of %s', (_label, changedUrl, changedContent) => {
    expect(checkSignature({ url: changedUrl, ...changedContent, signature, authTokens: ['current'] })).toEqual({
      ok: false,
      why: 'mismatch',
    });
  });

  it('tells a signed URL with a body that is not the one it speaks of', () => {
    const json = '[{"id":"1"}]';
    const hashed = `${url}&bodySHA256=${createHash('sha256').update(json).digest('hex')}`;
    const signed = (signedUrl: string) => sign({ url: signedUrl, json, authToken: 'current' });
    const check = (signedUrl: string, body: string) =>
      checkSignature({ url: signedUrl, json: body, signature: signed(signedUrl), authTokens: ['current'] });
    expect(check(hashed, json)).toEqual({ ok: true, tokenIndex: 0 });
    expect(check(hashed, `${json} `)).toEqual({ ok: false, why: 'body_hash' });
    expect(check(url, json)).toEqual({ ok: false, why: 'body_hash' });
  });

  it('takes a form as a form even when the URL speaks of bodySHA256', () => {
    const trap = `${url}&note=bodySHA256`;
    expect(
      checkSignature({
        url: trap,
        ...content,
        signature: sign({ url: trap, ...content, authToken: 't' }),
        authTokens: ['t'],
      }).ok,
    ).toBe(true);
  });
});
