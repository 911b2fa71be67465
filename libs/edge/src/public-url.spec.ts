import { describe, expect, it } from '@jest/globals';
import { PublicUrl } from './public-url.ts';

describe('PublicUrl', () => {
  it.each([
    [
      'https://hooks.example.com',
      '/twilio/sms/status?a=%27&b=',
      'https://hooks.example.com/twilio/sms/status?a=%27&b=',
    ],
    ['https://hooks.example.com/', '/twilio/sms/status', 'https://hooks.example.com/twilio/sms/status'],
    ['https://Hooks.Example.com:443', '/x', 'https://Hooks.Example.com:443/x'],
    ['http://127.0.0.1:8080', '//x?y', 'http://127.0.0.1:8080//x?y'],
    ['https://example.com/signalbox', '/twilio/sms/status', 'https://example.com/signalbox/twilio/sms/status'],
    [
      'https://example.com/signalbox/',
      '/signalbox/twilio/sms/status',
      'https://example.com/signalbox/twilio/sms/status',
    ],
    ['https://example.com/a', '/ab/c', 'https://example.com/a/ab/c'],
  ])('%s and %s make %s', (base, target, url) => {
    expect(new PublicUrl(base).of(target)).toBe(url);
  });
});
