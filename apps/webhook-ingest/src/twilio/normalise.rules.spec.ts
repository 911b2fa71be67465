import { describe, expect, it } from '@jest/globals';
import { decode, toHeaders, topics } from '@signalbox/contracts';
import { type FormParams, parseForm } from '@signalbox/twilio';
import { accountSid, inboundFixtures, messageId, sid, statusFixtures } from '../fixtures/callbacks.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './normalise.rules.ts';

const receivedAt = '2026-11-24T18:00:00.123Z';

function paramsOf(body: string): FormParams {
  const form = parseForm(body);
  if (!form.ok) throw new Error(form.why);
  return form.params;
}

describe('normaliseMessageStatus', () => {
  it.each(statusFixtures)('$label', ({ body, expected, ...fixture }) => {
    const params = paramsOf(body);
    const reference = fixture.messageId === undefined ? messageId : fixture.messageId;
    const normalised = normaliseMessageStatus({ tenant: 'demo', accountSid, params, messageId: reference, receivedAt });
    if ('missing' in expected) return expect(normalised).toEqual({ ok: false, missing: expected.missing });
    if (!normalised.ok) throw new Error(`missing ${normalised.missing}`);
    const { key, event } = normalised.record;
    expect({ key, id: event.id, status: event.data.status, errorCode: event.data.errorCode }).toEqual(expected);
    expect(event).toMatchObject({ type: 'twilio.message.status.v1', time: receivedAt, subject: sid });
    expect(event.data).toMatchObject({
      tenant: 'demo',
      accountSid,
      correlationId: reference,
      providerTime: null,
      receivedAt,
    });
    expect(event.data.params).toEqual(params);
    const decoded = decode(topics.twilioMessageCallbacks, toHeaders(event), JSON.stringify(event.data));
    expect(decoded).toMatchObject({ ok: true, event: { data: { ...event.data, params: { ...params } } } });
  });
});

describe('normaliseMessageReceived', () => {
  it.each(inboundFixtures)('$label', ({ body, expected }) => {
    const params = paramsOf(body);
    const normalised = normaliseMessageReceived({ tenant: 'demo', accountSid, params, messageId: null, receivedAt });
    if ('missing' in expected) return expect(normalised).toEqual({ ok: false, missing: expected.missing });
    if (!normalised.ok) throw new Error(`missing ${normalised.missing}`);
    const { key, event } = normalised.record;
    expect({ key, to: event.data.to, body: event.data.body }).toEqual(expected);
    expect(event).toMatchObject({
      id: `${accountSid}/${sid}/received//`,
      type: 'twilio.message.received.v1',
      subject: sid,
    });
    expect(event.data).toMatchObject({ from: key, status: 'received', correlationId: null, resourceSid: sid });
    expect(event.data.params).toEqual(params);
    const decoded = decode(topics.twilioInboundCallbacks, toHeaders(event), JSON.stringify(event.data));
    expect(decoded).toMatchObject({ ok: true });
  });
});
