import { describe, expect, it } from '@jest/globals';
import { decode, toHeaders, type Topic, topics } from '@signalbox/contracts';
import { parseForm, readStatusCallback } from '@signalbox/twilio';
import { debuggerFixtures, studioFixtures, verifyFixtures } from '../../fixtures/account-events.ts';
import { accountSid, inboundFixtures, messageId, sid, statusFixtures } from '../../fixtures/messages.ts';
import type { RecordFixture } from '../../fixtures/record-fixture.ts';
import { callFixtures, recordingFixtures, transcriptionFixtures } from '../../fixtures/voice.ts';
import type { AuthenticCallback, Normalise, Normalised } from './callback.rules.ts';
import { normaliseDebuggerEvent } from './debugger.rules.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './message.rules.ts';
import { normaliseStudioEvent } from './studio.rules.ts';
import { normaliseVerificationEvent } from './verify.rules.ts';
import { normaliseCallStatus, normaliseRecordingStatus, normaliseTranscription } from './voice.rules.ts';

const receivedAt = '2026-11-24T18:00:01.234Z';

function callback(body: string, correlationId: string | null): AuthenticCallback {
  const form = parseForm(body);
  if (!form.ok) throw new Error(form.why);
  return { tenant: 'demo', accountSid, params: form.params, correlationId, receivedAt, digest: () => 'digest' };
}

/** Every record has to pass the contract its consumers read it by. */
function expectContract(topic: Topic, normalised: Normalised): void {
  if (!normalised.ok) return;
  const { event } = normalised.record;
  expect(decode(topic, toHeaders(event), JSON.stringify(event.data))).toMatchObject({ ok: true });
}

describe('a message status', () => {
  it.each(statusFixtures)('$label', ({ body, messageId: ours = messageId, expected }) => {
    const normalised = normaliseMessageStatus(callback(body, ours));
    expectContract(topics.twilioMessageCallbacks, normalised);
    if ('missing' in expected) return expect(normalised).toEqual({ ok: false, missing: expected.missing });
    const { id, key, status, errorCode } = expected;
    const data = { accountSid, tenant: 'demo', resourceSid: sid, correlationId: ours, status, errorCode, receivedAt };
    expect(normalised).toMatchObject({
      ok: true,
      record: { key, event: { id, subject: sid, time: receivedAt, data } },
    });
  });

  it('keeps every raw parameter, known or not', () => {
    const normalised = normaliseMessageStatus(
      callback(`MessageSid=${sid}&MessageStatus=sent&AccountSid=${accountSid}&New=1&Twice=a&Twice=b&Blank=`, null),
    );
    const params = normalised.ok ? { ...normalised.record.event.data.params } : {};
    expect(params).toEqual({
      MessageSid: sid,
      MessageStatus: 'sent',
      AccountSid: accountSid,
      New: '1',
      Twice: ['a', 'b'],
      Blank: '',
    });
  });
});

describe('an inbound message', () => {
  it.each(inboundFixtures)('$label', ({ body, expected }) => {
    const normalised = normaliseMessageReceived(callback(body, messageId));
    expectContract(topics.twilioInboundCallbacks, normalised);
    if ('missing' in expected) return expect(normalised).toEqual({ ok: false, missing: expected.missing });
    const { key, to, body: text } = expected;
    const data = { from: key, to, body: text, resourceSid: sid, correlationId: null, status: 'received' };
    expect(normalised).toMatchObject({
      ok: true,
      record: { key, event: { id: `${accountSid}/${sid}/received//`, data } },
    });
  });
});

describe.each<[string, Topic, Normalise, readonly RecordFixture[]]>([
  ['a call', topics.twilioCallCallbacks, normaliseCallStatus, callFixtures],
  ['a recording', topics.twilioCallCallbacks, normaliseRecordingStatus, recordingFixtures],
  ['a transcription', topics.twilioCallCallbacks, normaliseTranscription, transcriptionFixtures],
  ['a Verify event', topics.twilioVerifyCallbacks, normaliseVerificationEvent, verifyFixtures],
  ['a Studio event', topics.twilioStudioCallbacks, normaliseStudioEvent, studioFixtures],
  ['a Debugger event', topics.twilioDebuggerCallbacks, normaliseDebuggerEvent, debuggerFixtures],
])('%s', (_kind, topic, normalise, fixtures) => {
  it.each(fixtures)('$label', ({ body, query = '', expected }) => {
    const normalised = normalise(callback(body, readStatusCallback(query).correlationId));
    expectContract(topic, normalised);
    if ('missing' in expected) return expect(normalised).toEqual({ ok: false, missing: expected.missing });
    const { id, key, ...data } = expected;
    expect(normalised).toMatchObject({
      ok: true,
      record: {
        ...(key && { key }),
        event: { ...(id && { id }), time: receivedAt, data: { tenant: 'demo', ...data } },
      },
    });
  });
});
