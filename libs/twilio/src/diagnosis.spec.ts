import { describe, expect, it } from '@jest/globals';
import { diagnoseSignature } from './diagnosis.ts';
import { sign } from './signature.ts';

const url = 'https://hooks.example.com/twilio/sms/status?messageId=1&a=%20b';
const content = { params: { MessageSid: 'SM1' } };

function diagnose(signedUrl: string, authToken = 'ours', algorithm: 'sha1' | 'sha256' = 'sha1') {
  const signature = sign({ url: signedUrl, ...content, authToken, algorithm });
  return diagnoseSignature(
    { url, ...content, signature, authTokens: ['ours'] },
    { otherUrls: ['https://internal:8080/twilio/sms/status?messageId=1&a=%20b'], otherSecrets: ['theirs'] },
  );
}

describe('diagnoseSignature', () => {
  it.each([
    ['the scheme', url.replace('https', 'http')],
    ['a slash at the end', url.replace('status?', 'status/?')],
    ['a doubled slash', url.replace('.com/', '.com//')],
    ['a sorted query', 'https://hooks.example.com/twilio/sms/status?a=%20b&messageId=1'],
    ['a decoded query', 'https://hooks.example.com/twilio/sms/status?messageId=1&a= b'],
    ['no query', 'https://hooks.example.com/twilio/sms/status'],
    ['the host a proxy speaks to', 'https://internal:8080/twilio/sms/status?messageId=1&a=%20b'],
    ['that, over http', 'http://internal:8080/twilio/sms/status?messageId=1&a=%20b'],
  ])('%s is a URL mismatch', (_label, signedUrl) => {
    expect(diagnose(signedUrl)).toEqual({ cause: 'url_mismatch', signedUrl });
  });

  it.each([
    ["another account's token", 'theirs', 'sha1'],
    ['the right secret under another algorithm', 'ours', 'sha256'],
  ] as const)('%s is a wrong token', (_label, secret, algorithm) => {
    expect(diagnose(url, secret, algorithm)).toEqual({ cause: 'wrong_token' });
  });

  it('what matches nothing is forged', () => {
    expect(diagnose(url, 'guessed')).toEqual({ cause: 'forged' });
    expect(diagnose('https://evil.example.com/')).toEqual({ cause: 'forged' });
  });

  it('is given up where the body makes it dear, because anybody can ask for one', () => {
    const signedUrl = url.replace('https', 'http');
    const ofBody = (size: number) => {
      const params = { Body: 'x'.repeat(size) };
      return diagnoseSignature(
        { url, params, signature: sign({ url: signedUrl, params, authToken: 'ours' }), authTokens: ['ours'] },
        { otherUrls: [], otherSecrets: Array.from({ length: 40 }, (_, index) => `secret-${index}`) },
      );
    };
    expect(ofBody(1_600)).toEqual({ cause: 'url_mismatch', signedUrl });
    expect(ofBody(250_000)).toEqual({ cause: 'forged' });
  });
});
