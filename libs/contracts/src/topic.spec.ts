import { describe, expect, it } from '@jest/globals';
import { toHeaders, type CloudEvent, type EventHeaders } from './cloud-event.ts';
import { examples } from './examples.ts';
import { deadLetterTopic, decode, topics } from './index.ts';

const topic = topics.messagingCommands;
const send = examples['messaging.send.v1'];
const headers = (change: EventHeaders = {}): EventHeaders => ({
  ce_id: '1',
  ce_source: '//shop/orders',
  ce_type: 'messaging.send.v1',
  ce_time: '2026-11-24T18:00:00Z',
  ...change,
});
const value = (change: object = {}) => Buffer.from(JSON.stringify({ ...send, ...change }));
const secret = 'zzsecretzz';

describe('decode', () => {
  it.each(Object.values(topics).flatMap((t) => Object.keys(t.messages).map((type) => ({ t, type }))))(
    'reads the example of $type',
    ({ t, type }) => {
      const example = new Map<string, object>(Object.entries(examples)).get(type);
      const decoded = decode(t, headers({ ce_type: type }), JSON.stringify(example));
      expect(decoded).toMatchObject({ ok: true, event: { type, data: example } });
    },
  );

  it('fills in defaults and drops fields it does not know', () => {
    const decoded = decode(topic, headers(), value({ surplus: 1 }));
    expect(decoded).toMatchObject({ ok: true, event: { data: { channel: 'sms', mediaUrls: [], fallback: [] } } });
    expect(decoded.ok && decoded.event.data).not.toHaveProperty('surplus');
  });

  it('takes the context attributes and the trace from the headers', () => {
    const context = { ce_subject: 's', traceparent: '00-1-2-01', tracestate: 'a=b' };
    expect(decode(topic, headers(context), value())).toMatchObject({
      event: { id: '1', source: '//shop/orders', subject: 's', traceparent: '00-1-2-01', tracestate: 'a=b' },
    });
  });

  it.each<{ fault: string; headers: EventHeaders; value: Buffer | string | null; reason: string | RegExp }>([
    { fault: 'no headers', headers: {}, value: value(), reason: 'missing header ce_id, ce_source, ce_type' },
    { fault: 'an empty id', headers: headers({ ce_id: '' }), value: value(), reason: 'missing header ce_id' },
    {
      fault: 'a type of another topic',
      headers: headers({ ce_type: 'twilio.message.status.v1' }),
      value: value(),
      reason: 'unknown type for commands.messaging.v1: twilio.message.status.v1',
    },
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((type) => ({
      fault: `the type ${type}`,
      headers: headers({ ce_type: type }),
      value: value(),
      reason: `unknown type for commands.messaging.v1: ${type}`,
    })),
    {
      fault: 'an endless type',
      headers: headers({ ce_type: 'x'.repeat(10_000) }),
      value: value(),
      reason: `unknown type for commands.messaging.v1: ${'x'.repeat(100)}`,
    },
    { fault: 'a tombstone', headers: headers(), value: null, reason: 'value is not JSON' },
    { fault: 'an empty value', headers: headers(), value: '', reason: 'value is not JSON' },
    { fault: 'text', headers: headers(), value: `{"to": ${secret}}`, reason: 'value is not JSON' },
    { fault: 'binary', headers: headers(), value: Buffer.from([0xff, 0xfe, 0x00]), reason: 'value is not JSON' },
    { fault: 'a list', headers: headers(), value: '[]', reason: /^data: .*expected object/ },
    { fault: 'null', headers: headers(), value: 'null', reason: /^data: .*expected object/ },
    { fault: 'a missing field', headers: headers(), value: value({ to: undefined }), reason: /^to: / },
    { fault: 'a wrong type', headers: headers(), value: value({ to: { number: secret } }), reason: /^to: / },
    { fault: 'a value outside the enum', headers: headers(), value: value({ lane: secret }), reason: /^lane: / },
    {
      fault: 'a value outside the pattern',
      headers: headers(),
      value: value({ tenant: `${secret}!` }),
      reason: /^tenant: /,
    },
    { fault: 'a bad date', headers: headers(), value: value({ sendAt: secret }), reason: /^sendAt: / },
    {
      fault: 'a bad URL',
      headers: headers(),
      value: value({ mediaUrls: [`ftp:${secret}`] }),
      reason: /^mediaUrls\.0: /,
    },
    { fault: 'a broken refinement', headers: headers(), value: value({ body: '' }), reason: /^body: one of body/ },
    {
      fault: 'a bad value in a record',
      headers: headers(),
      value: value({ metadata: { [`+1${secret}`]: 1 } }),
      reason: /^metadata\.\*: /,
    },
    {
      fault: 'a bad key in a record',
      headers: headers(),
      value: value({ metadata: { [secret.repeat(20)]: '' } }),
      reason: /^metadata\.\*: /,
    },
    {
      fault: 'two faults',
      headers: headers(),
      value: value({ to: 1, tenant: 2 }),
      reason: /^(?=.*\bto: )(?=.*\btenant: ).*; /,
    },
  ])('refuses $fault, and repeats no value', ({ headers, value, reason }) => {
    const decoded = decode(topic, headers, value);
    if (decoded.ok) throw new Error('accepted');
    if (typeof reason === 'string') expect(decoded.reason).toBe(reason);
    else expect(decoded.reason).toMatch(reason);
    expect(decoded.reason).not.toContain(secret);
  });

  it('keeps a reason short when all is wrong', () => {
    const decoded = decode(topic, headers(), value({ mediaUrls: Array<number>(1000).fill(1) }));
    expect(!decoded.ok && decoded.reason.length).toBeLessThan(1000);
  });
});

describe('toHeaders', () => {
  const event: CloudEvent = {
    id: '1',
    source: '//shop/orders',
    type: 'messaging.send.v1',
    time: '2026-11-24T18:00:00Z',
    data: send,
  };

  it('writes only the attributes there are', () => {
    expect(toHeaders(event)).toEqual({
      ce_specversion: '1.0',
      'content-type': 'application/json',
      ...headers(),
    });
  });

  it('is undone by decode', () => {
    const full = { ...event, subject: 's', traceparent: '00-1-2-01', tracestate: 'a=b' };
    expect(decode(topic, toHeaders(full), JSON.stringify(full.data))).toMatchObject({ ok: true, event: full });
  });
});

it('a dead-letter topic is named after its topic', () => {
  expect(deadLetterTopic(topic)).toBe('commands.messaging.v1.dlq');
});
