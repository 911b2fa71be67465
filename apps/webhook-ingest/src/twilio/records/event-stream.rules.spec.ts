import { describe, expect, it } from '@jest/globals';
import { decode, toHeaders } from '@signalbox/contracts';
import { parseForm } from '@signalbox/twilio';
import type { CallbackRecord } from './callback.rules.ts';
import { readStreamEvent } from './event-stream.rules.ts';
import { normaliseDebuggerEvent } from './debugger.rules.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './message.rules.ts';
import { normaliseCallStatus, normaliseRecordingStatus } from './voice.rules.ts';

const accountSid = `AC${'a'.repeat(32)}`;
const message = `SM${'1'.repeat(32)}`;
const call = `CA${'1'.repeat(32)}`;
const recording = `RE${'1'.repeat(32)}`;
const notification = `NO${'1'.repeat(32)}`;
const messageId = '0199b1c2-6b1e-7c3a-9d57-2f1f5a4e8c10';
const time = '2026-11-24T18:00:00.000Z';
const common = { tenant: 'demo', accountSid, receivedAt: '2026-11-24T18:00:01.000Z', digest: () => 'digest' };

const cloudEvent = (type: string, data: object) => ({
  specversion: '1.0',
  type: `com.twilio.${type}`,
  source: `AB${'1'.repeat(32)}`,
  id: `NO${'9'.repeat(32)}`,
  dataschema: 'https://events-schemas.twilio.com/X/1',
  // Twilio's documentation has a date here.
  datacontenttype: time,
  data,
});

function streamed(type: string, data: object): { topic: string; mapped: boolean; record: CallbackRecord } {
  const read = readStreamEvent(cloudEvent(type, data));
  if (!read) throw new Error('not an event');
  const normalised = read.normalise({ ...common, ...read.callback });
  if (!normalised.ok) throw new Error(`no ${normalised.missing}`);
  const { event } = normalised.record;
  expect(decode(read.topic, toHeaders(event), JSON.stringify(event.data))).toMatchObject({ ok: true });
  return { topic: read.topic.name, mapped: read.mapped, record: normalised.record };
}

function posted(normalise: typeof normaliseMessageStatus, body: string): string;
function posted(normalise: typeof normaliseCallStatus, body: string): string;
function posted(normalise: typeof normaliseRecordingStatus, body: string): string;
function posted(normalise: typeof normaliseDebuggerEvent, body: string): string;
function posted(normalise: typeof normaliseMessageReceived, body: string): string;
function posted(normalise: (callback: never) => unknown, body: string): string {
  const form = parseForm(body);
  const callback = { ...common, params: form.ok ? form.params : {}, correlationId: null } as never;
  return (normalise(callback) as { record: CallbackRecord }).record.event.id;
}

const outbound = (more: object) => ({
  messageSid: message,
  timestamp: time,
  accountSid,
  eventName: 'x',
  apiVersion: '2010-04-01',
  from: '+14155550100',
  to: '+14155550199',
  statusCallBackUrl: `https://hooks.example.com/twilio/sms/status?messageId=${messageId}#rc=5`,
  tags: { campaign: 'a' },
  numberOfSegments: 1,
  ...more,
});
const voice = (parameters: object) => ({
  sid: call,
  requestDateCreated: 'Tue, 24 Nov 2026 18:00:00 +0000',
  timestamp: time,
  eventSid: `VW${'1'.repeat(32)}`,
  request: { method: 'POST', url: `https://hooks.example.com/twilio/voice/status?callId=${messageId}`, parameters },
  response: { responseCode: 204 },
});

describe('an event that a webhook tells as well has its ce_id', () => {
  it.each([
    [
      'a delivered message',
      streamed('messaging.message.delivered', outbound({ messageStatus: 'DELIVERED', errorCode: 0 })),
      posted(normaliseMessageStatus, `MessageSid=${message}&MessageStatus=delivered&RawDlrDoneDate=2611241800`),
    ],
    [
      'a failed one',
      streamed('messaging.message.undelivered', outbound({ messageStatus: 'UNDELIVERED', errorCode: 30003 })),
      posted(normaliseMessageStatus, `MessageSid=${message}&MessageStatus=undelivered&ErrorCode=30003`),
    ],
    [
      'one that was read',
      streamed('messaging.message.read', outbound({ messageStatus: 'READ', errorCode: null })),
      posted(normaliseMessageStatus, `MessageSid=${message}&MessageStatus=read&EventType=READ`),
    ],
    [
      'an inbound message',
      streamed('messaging.inbound-message.received', { ...outbound({}), numMedia: 0, body: 'Ahoy!' }),
      posted(normaliseMessageReceived, `MessageSid=${message}&SmsStatus=received&From=%2B14155550100&To=1&Body=Ahoy!`),
    ],
    [
      'progress of a call',
      streamed(
        'voice.status-callback.call.completed',
        voice({
          CallSid: call,
          AccountSid: accountSid,
          CallStatus: 'completed',
          SequenceNumber: '3',
          RecordingSid: recording,
        }),
      ),
      posted(normaliseCallStatus, `CallSid=${call}&CallStatus=completed&SequenceNumber=3`),
    ],
    [
      'that, with names in snake case',
      streamed(
        'voice.webhook.status-callback.call.answered',
        voice({ call_sid: call, call_status: 'in-progress', sequence_number: '2' }),
      ),
      posted(normaliseCallStatus, `CallSid=${call}&CallStatus=in-progress&SequenceNumber=2`),
    ],
    [
      'a recording',
      streamed(
        'voice.status-callback.recording.completed',
        voice({ RecordingSid: recording, RecordingStatus: 'completed', CallSid: call }),
      ),
      posted(
        normaliseRecordingStatus,
        `RecordingSid=${recording}&RecordingStatus=completed&CallSid=${call}&ErrorCode=0`,
      ),
    ],
    [
      'an error of the account',
      streamed('error-logs.error.logged', {
        sid: notification,
        account_sid: accountSid,
        date_created: time,
        level: 'ERROR',
        error_code: '11200',
        correlation_sid: call,
      }),
      posted(normaliseDebuggerEvent, `Sid=${notification}&Level=ERROR&AccountSid=${accountSid}`),
    ],
  ])('%s', (_label, { record }, id) => {
    expect(record.event.id).toBe(id);
  });
});

describe('readStreamEvent', () => {
  it('makes of a message event what a callback says, under our message id', () => {
    const { topic, record } = streamed(
      'messaging.message.undelivered',
      outbound({ messageStatus: 'UNDELIVERED', errorCode: 30003 }),
    );
    expect({ topic, record }).toMatchObject({
      topic: 'callbacks.twilio.message.v1',
      record: {
        key: messageId,
        event: {
          data: {
            status: 'undelivered',
            errorCode: 30003,
            correlationId: messageId,
            providerTime: time,
            params: { MessageSid: message, To: '+14155550199', ErrorCode: '30003', Tags: '{"campaign":"a"}' },
          },
        },
      },
    });
  });

  it.each<[string, string, object, object]>([
    [
      'a verification',
      'accountsecurity.verify.verification.approved',
      {
        account_sid: accountSid,
        verification_sid: `VE${'1'.repeat(32)}`,
        verification_status: 'APPROVED',
        created_at: '2026-11-24T17:59:00.000Z',
        verified_at: time,
      },
      {
        topic: 'callbacks.twilio.verify.v1',
        record: {
          key: `VE${'1'.repeat(32)}`,
          event: {
            data: {
              status: 'APPROVED',
              providerTime: time,
              eventType: 'com.twilio.accountsecurity.verify.verification.approved',
            },
          },
        },
      },
    ],
    [
      'a verification that ended without anybody, whose creation is not when that was',
      'accountsecurity.verify.verification.expired',
      { account_sid: accountSid, verification_sid: `VE${'1'.repeat(32)}`, created_at: time },
      { record: { event: { data: { status: 'expired', providerTime: null } } } },
    ],
    [
      'a verification that begins',
      'accountsecurity.verify.verification.pending',
      { account_sid: accountSid, verification_sid: `VE${'1'.repeat(32)}`, created_at: '2026-11-24T19:00:00+01:00' },
      { record: { event: { data: { status: 'pending', providerTime: time } } } },
    ],
    [
      'progress of a call without the parameters, as in the documentation',
      'voice.webhook.status-callback.call.answered',
      voice({}),
      {
        topic: 'callbacks.twilio.call.v1',
        mapped: true,
        record: {
          key: call,
          event: {
            data: { resourceSid: call, status: 'in-progress', providerTime: time, correlationId: messageId },
          },
        },
      },
    ],
    [
      'a message of a verification that failed',
      'accountsecurity.verify.message.failed',
      {
        account_sid: accountSid,
        verification_sid: `VE${'1'.repeat(32)}`,
        attempt_sid: 'VL1',
        message_status: 'FAILED',
        error_code: '30003',
      },
      { record: { event: { data: { status: 'FAILED', errorCode: 30003 } } } },
    ],
    [
      'a verification with an attempt of a status only',
      'accountsecurity.verify.verification.max_attempts_reached',
      { account_sid: accountSid, verification_sid: `VE${'1'.repeat(32)}`, send_code_attempts: { count: 5 } },
      {
        record: { event: { data: { status: 'max_attempts_reached', params: { send_code_attempts: '{"count":5}' } } } },
      },
    ],
    [
      'an execution',
      'studio.flow.execution.ended',
      {
        account_sid: accountSid,
        execution_sid: 'FN1',
        flow_sid: 'FW1',
        status: 'ended',
        ended_reason: 'FLOW_END',
        date_updated: time,
      },
      {
        topic: 'callbacks.twilio.studio.v1',
        record: {
          key: 'FN1',
          event: {
            id: `${accountSid}/FN1/com.twilio.studio.flow.execution.ended/NO${'9'.repeat(32)}/`,
            data: { status: 'ended', providerTime: time, params: { ended_reason: 'FLOW_END' } },
          },
        },
      },
    ],
    [
      'a step',
      'studio.flow.step.ended',
      { account_sid: accountSid, execution_sid: 'FN1', step_sid: 'FT1', name: 'ask', transitioned_to: 'say' },
      { topic: 'callbacks.twilio.studio.v1', record: { key: 'FN1', event: { data: { status: 'ended' } } } },
    ],
    [
      'a product nobody has a topic for: kept where operators look',
      'taskrouter.task.created',
      { account_sid: accountSid, task_sid: 'WT1', payload: { a: null } },
      {
        topic: 'callbacks.twilio.debugger.v1',
        mapped: false,
        record: {
          key: 'WT1',
          event: { data: { level: 'UNMAPPED', status: 'com.twilio.taskrouter.task.created', subject: 'WT1' } },
        },
      },
    ],
    [
      'a call event that tells of no callback',
      'voice.twiml.call.requested',
      voice({}),
      { topic: 'callbacks.twilio.debugger.v1', mapped: false },
    ],
    ['the test of a sink', 'eventstreams.test-event', { test_id: 'x' }, { mapped: false, record: { key: accountSid } }],
  ])('%s', (_label, type, data, expected) => {
    expect(streamed(type, data)).toMatchObject(expected);
  });

  it('survives half a surrogate pair, which JSON may hold and an id may not', () => {
    const { record } = streamed('messaging.message.sent', outbound({ messageSid: 'SM\ud800', messageStatus: 'SENT' }));
    expect(record.event.id).toBe(`${accountSid}/SM%EF%BF%BD/sent//`);
  });

  it.each([
    ['nothing', null],
    ['a list', []],
    ['a text', 'x'],
    ['no type', { ...cloudEvent('x', {}), type: undefined }],
    ['no id', { ...cloudEvent('x', {}), id: '' }],
    ['no data', { ...cloudEvent('x', {}), data: 'text' }],
  ])('%s is no event', (_label, event) => {
    expect(readStreamEvent(event)).toBeUndefined();
  });
});
