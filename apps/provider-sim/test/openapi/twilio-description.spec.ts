import { describe, expect, it } from '@jest/globals';
import { type Exchange, faultsOf } from './twilio-description.ts';

const account = `AC${'0'.repeat(32)}`;
const message = {
  body: 'hello',
  num_segments: '1',
  direction: 'outbound-api',
  from: '+14155550100',
  to: '+14155550199',
  date_updated: 'Tue, 24 Nov 2026 18:00:00 +0000',
  date_created: 'Tue, 24 Nov 2026 18:00:00 +0000',
  date_sent: null,
  price: null,
  price_unit: 'USD',
  error_message: null,
  error_code: null,
  uri: '/2010-04-01/…',
  account_sid: account,
  num_media: '0',
  status: 'queued',
  messaging_service_sid: null,
  sid: `SM${'0'.repeat(32)}`,
  api_version: '2010-04-01',
  subresource_uris: {},
};
const created: Exchange = {
  method: 'POST',
  path: `/2010-04-01/Accounts/${account}/Messages.json`,
  query: {},
  form: { To: '+14155550199', MediaUrl: 'https://example.com/a.png', ValidityPeriod: '60' },
  status: 201,
  body: JSON.stringify(message),
};
const answering = (fields: object) => ({ ...created, body: JSON.stringify({ ...message, ...fields }) });

describe('faultsOf', () => {
  it('finds none in what Twilio describes', () => {
    expect(faultsOf(created)).toEqual([]);
  });

  it.each<[string, Exchange, RegExp]>([
    ['an unknown field of the form', { ...created, form: { ...created.form, Too: 'x' } }, /form.*Too/],
    ['a form without To', { ...created, form: {} }, /form.*To/],
    ['a number that is none', { ...created, form: { ...created.form, ValidityPeriod: 'long' } }, /ValidityPeriod/],
    ['an unknown query parameter', { ...created, method: 'GET', query: { until: '1' } }, /query.*until/],
    ['a number where Twilio has a string', answering({ num_segments: 1 }), /num_segments/],
    ['an unknown status', answering({ status: 'on its way' }), /status/],
    ['a field too many', answering({ extra: 1 }), /extra/],
    ['a field too few', answering({ uri: undefined }), /uri/],
    ['a date of another form', answering({ date_created: '2026-11-24' }), /date_created/],
    ['another status code', { ...created, status: 200 }, /status 200/],
    ['an error of another shape', { ...created, status: 400, body: '{"error":"no","status":400}' }, /error.*code/],
    ['a path that is none', { ...created, path: '/2010-04-01/Accounts/AC1/Applications.json' }, /no operation/],
  ])('names %s', (_label, exchange, fault) => {
    expect(faultsOf(exchange).join('\n')).toMatch(fault);
  });
});
