import { describe, expect, it } from '@jest/globals';
import { hostPattern, movedTo } from './redirect.rules.ts';

const asked = 'https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1.wav';
const hosts = ['*.twilio.com', '*.twiliocdn.com', 'recordings.example.com'];

describe('the sound of a recording that has moved', () => {
  it.each([
    ['https://media.twiliocdn.com/RE1?signature=x', false],
    ['https://api.ie1.twilio.com/RE1.wav', false],
    ['https://recordings.example.com/RE1', false],
    ['https://MEDIA.TwilioCDN.com:443/RE1', false],
    ['/other/place.wav', true],
    ['https://api.twilio.com/other', true],
  ])('is fetched from %s', (location, isHome) => {
    expect(movedTo(location, asked, hosts)).toMatchObject({ isHome });
  });

  it.each([
    'https://evil.example.com/RE1',
    'https://twiliocdn.com.evil.example/RE1',
    'https://eviltwiliocdn.com/RE1',
    'https://twiliocdn.com/RE1',
    'https://media.twiliocdn.com./RE1',
    'http://media.twiliocdn.com/RE1',
    'https://media.twiliocdn.com:8443/RE1',
    'https://user:secret@media.twiliocdn.com/RE1',
    'https://media.twiliocdn.com@127.0.0.1/RE1',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://localhost/',
    '//169.254.169.254/',
    'file:///etc/passwd',
    'https://',
  ])('is not fetched from %s', (location) => {
    expect(movedTo(location, asked, hosts)).toBeUndefined();
  });

  it('is fetched where the stand-in of the provider says, and nowhere else near it', () => {
    const local = 'http://127.0.0.1:8090/2010-04-01/Accounts/AC1/Recordings/RE1.wav';
    expect(movedTo('/_sim/media/RE1', local, hosts)).toMatchObject({ isHome: true });
    expect(movedTo('http://127.0.0.1:5432/', local, hosts)).toBeUndefined();
  });

  it.each([
    ['*.twilio.com', true],
    ['bucket.s3.eu-west-1.amazonaws.com', true],
    ['*', false],
    ['*.com', false],
    ['10.0.0.1', false],
    ['localhost', false],
    ['https://x.example.com', false],
  ])('hosts are written as %s: %s', (pattern, isOne) => {
    expect(hostPattern.test(pattern)).toBe(isOne);
  });
});
