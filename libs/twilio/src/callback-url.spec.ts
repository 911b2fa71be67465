import { describe, expect, it } from '@jest/globals';
import {
  publicBaseUrlFault,
  readStatusCallback,
  statusCallbackUrl,
  voiceCallbackUrl,
  voiceFlowUrl,
} from './callback-url.ts';

const messageId = '0198c1f2-6f6e-7c3a-9c55-0f1e2d3c4b5a';
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('statusCallbackUrl', () => {
  it('carries our id, the trace and connection overrides', () => {
    expect(statusCallbackUrl('https://hooks.example.com/', { messageId, traceparent })).toBe(
      `https://hooks.example.com/twilio/sms/status?messageId=${messageId}&traceparent=${traceparent}#rc=5&rp=5xx,ct,rt`,
    );
  });

  it.each(['https://hooks.example.com', 'https://hooks.example.com/signalbox', 'http://127.0.0.1:8080'])(
    'is read back: %s',
    (base) => {
      expect(publicBaseUrlFault(base)).toBeUndefined();
      const url = new URL(statusCallbackUrl(base, { messageId, traceparent }));
      expect(readStatusCallback(url.pathname + url.search)).toEqual({ correlationId: messageId, traceparent });
    },
  );
});

describe('the URLs of a call', () => {
  it.each([
    ['status', voiceCallbackUrl('https://hooks.example.com', 'status', { callId: messageId, traceparent })],
    ['recording', voiceCallbackUrl('https://hooks.example.com/', 'recording', { callId: messageId, traceparent })],
  ])('of its %s carry our id, the trace and connection overrides', (kind, url) => {
    expect(url).toBe(
      `https://hooks.example.com/twilio/voice/${kind}?callId=${messageId}&traceparent=${traceparent}#rc=5&rp=5xx,ct,rt`,
    );
    expect(readStatusCallback(url)).toEqual({ correlationId: messageId, traceparent });
  });

  it('of its flow asks again at once, within the 15 s that Twilio waits', () => {
    expect(voiceFlowUrl('https://voice.example.com', 'support', { callId: messageId })).toBe(
      `https://voice.example.com/twilio/voice/twiml/support?callId=${messageId}#rc=5&rp=5xx,ct,rt&ct=2000&rt=9000`,
    );
  });
});

describe('readStatusCallback', () => {
  it.each(['messageId', 'callId', 'verificationId', 'executionId'])('takes %s, and no fragment with it', (name) => {
    const { correlationId } = readStatusCallback(`https://hooks.example.com/x?a=1&${name}=${messageId}#rc=5&rp=5xx`);
    expect(correlationId).toBe(messageId);
  });

  it.each([
    ['no query', ''],
    ['an empty query', '?'],
    ['no uuid', '?messageId=42'],
    ['a longer uuid', `?messageId=${messageId}0`],
    ['names that only begin alike', `?messageIdx=${messageId}&traceparents=${traceparent}`],
    ['a trace id of zeros', `?traceparent=00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    ['another version', `?traceparent=01${traceparent.slice(2)}`],
    ['a malformed escape', '?messageId=%zz&traceparent=%'],
  ])('leaves out %s', (_label, query) => {
    expect(readStatusCallback(`/twilio/sms/status${query}`)).toEqual({ correlationId: null, traceparent: undefined });
  });
});

describe('publicBaseUrlFault', () => {
  it.each([
    ['hooks.example.com', 'not a URL'],
    ['ftp://hooks.example.com', 'http or https'],
    ['https://hooks_eu.example.com', 'underscore'],
    ['https://u:p@hooks.example.com', 'no credentials'],
    ['https://hooks.example.com/?a=1', 'no query'],
    ['https://hooks.example.com/#', 'no query and no fragment'],
  ])('%s: %s', (base, fault) => {
    expect(publicBaseUrlFault(base)).toContain(fault);
  });
});
