import { describe, expect, it } from '@jest/globals';
import { type Form, readMessageRequest } from './message-request.rules.ts';

const service = `MG${'1'.repeat(32)}`;
const empty = `MG${'2'.repeat(32)}`;
const account = {
  messagingServices: { [service]: ['+14155550101'], [empty]: [] },
  owns: (sender: string) => ['+14155550100', '+15005550006', 'ACME'].includes(sender),
};
const now = Date.parse('2026-11-24T18:00:00Z');
const inMinutes = (minutes: number) => new Date(now + minutes * 60_000).toISOString();

const sms = { To: '+14155550199', From: '+14155550100', Body: 'hello' };
const scheduled = { To: sms.To, Body: 'hello', MessagingServiceSid: service, ScheduleType: 'fixed' };
const read = (form: Form) => readMessageRequest(form, account, now);

describe('a create form is refused with', () => {
  it.each<[number, string, Form]>([
    [21604, 'no To', { ...sms, To: undefined }],
    [21211, 'a To that is no number', { ...sms, To: 'nobody' }],
    [21211, 'a To of +1 that is too short', { ...sms, To: '+1415555' }],
    [21211, 'a To without its plus', { ...sms, To: '14155550199' }],
    [21211, 'the magic invalid To', { ...sms, To: '+15005550001' }],
    [21612, 'the magic To that cannot be routed', { ...sms, To: '+15005550002' }],
    [21408, 'the magic To of a region that is not enabled', { ...sms, To: '+15005550003' }],
    [21610, 'the magic To that opted out', { ...sms, To: '+15005550004' }],
    [21614, 'the magic To that is not mobile', { ...sms, To: '+15005550009' }],
    [21603, 'neither From nor a service', { ...sms, From: undefined }],
    [21212, 'a From of no form', { ...sms, From: '+1-415' }],
    [21212, 'the magic invalid From', { ...sms, From: '+15005550001' }],
    [21606, 'the magic From that is not owned', { ...sms, From: '+15005550007' }],
    [21611, 'the magic From with a full queue', { ...sms, From: '+15005550008' }],
    [21606, 'a From of somebody else', { ...sms, From: '+14155550999' }],
    [21266, 'To and From the same', { ...sms, To: sms.From }],
    [21910, 'an SMS sender for a WhatsApp recipient', { ...sms, To: 'whatsapp:+14155550199' }],
    [63007, 'a WhatsApp sender nobody has', { ...sms, To: 'whatsapp:+14155550199', From: 'whatsapp:+14155550999' }],
    [21701, 'an unknown service', { ...sms, From: undefined, MessagingServiceSid: `MG${'9'.repeat(32)}` }],
    [21704, 'a service without senders', { ...sms, From: undefined, MessagingServiceSid: empty }],
    [21602, 'nothing to say', { ...sms, Body: '' }],
    [21617, 'more than 1600 characters', { ...sms, Body: 'a'.repeat(1601) }],
    [21623, 'eleven media', { ...sms, MediaUrl: Array<string>(11).fill('https://example.com/a.png') }],
    [21620, 'a media URL without protocol', { ...sms, MediaUrl: 'example.com/a.png' }],
    [21655, 'a ContentSid of no form', { ...sms, ContentSid: 'HX1' }],
    [
      21656,
      'variables that are no JSON object',
      { ...sms, ContentSid: `HX${'0'.repeat(32)}`, ContentVariables: '[1]' },
    ],
    [21609, 'a callback that is no URL', { ...sms, StatusCallback: 'callback' }],
    [21609, 'an underscore in the callback host', { ...sms, StatusCallback: 'http://status_svc/cb' }],
    [21624, 'no validity at all', { ...sms, ValidityPeriod: '0' }],
    [21624, 'a validity above ten hours', { ...sms, ValidityPeriod: '36001' }],
    [35118, 'a schedule without a service', { ...sms, ScheduleType: 'fixed', SendAt: inMinutes(60) }],
    [35111, 'a schedule without a time', scheduled],
    [35114, 'a schedule at no time', { ...scheduled, SendAt: 'soon' }],
    [35115, 'a schedule five minutes away', { ...scheduled, SendAt: inMinutes(5) }],
    [35115, 'a schedule more than 35 days away', { ...scheduled, SendAt: inMinutes(35 * 24 * 60 + 1) }],
  ])('%i for %s', (code, _label, form) => {
    expect(read(form)).toMatchObject({ ok: false, code });
  });
});

describe('a create form is taken with', () => {
  it.each<[string, Form]>([
    ['an ordinary recipient, from an owned number', sms],
    ['the magic sender', { ...sms, From: '+15005550006' }],
    ['an alphanumeric sender', { ...sms, From: 'ACME' }],
    ['a recipient elsewhere', { ...sms, To: '+4915112345678' }],
    ['exactly 1600 characters', { ...sms, Body: 'a'.repeat(1600) }],
    ['media and no text', { ...sms, Body: undefined, MediaUrl: 'https://example.com/a.png' }],
    ['a callback on loopback, with overrides', { ...sms, StatusCallback: 'http://127.0.0.1:8080/s?id=1#rc=5' }],
    ['a service', { ...sms, From: undefined, MessagingServiceSid: service }],
    ['a schedule six minutes away', { ...scheduled, SendAt: inMinutes(6) }],
  ])('%s', (_label, form) => {
    expect(read(form)).toMatchObject({ ok: true, request: { to: form.To } });
  });

  it('one or several MediaUrl, in order', () => {
    const urls = ['https://example.com/b.png', 'https://example.com/a.png'];
    expect(read({ ...sms, MediaUrl: urls })).toMatchObject({ request: { mediaUrls: urls } });
    expect(read({ ...sms, MediaUrl: urls[0] })).toMatchObject({ request: { mediaUrls: [urls[0]] } });
  });

  it('a validity in milliseconds, ten hours when it says nothing', () => {
    expect(read({ ...sms, ValidityPeriod: '60' })).toMatchObject({ request: { validityMs: 60_000 } });
    expect(read(sms)).toMatchObject({ request: { validityMs: 36_000_000 } });
  });
});
