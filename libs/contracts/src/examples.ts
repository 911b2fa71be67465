import type { AnomalyClosed, AnomalyOpened } from './analytics.ts';
import type { sendEmailCommand } from './email.ts';
import type { CancelCommand, MessageReceived, MessageStateChanged, SendCommandInput } from './messaging.ts';
import type { SendgridEmailEvent, SendgridEmailReceived } from './sendgrid-callbacks.ts';
import type { SuppressionChanged } from './suppression.ts';
import type {
  TwilioCallStatus,
  TwilioDebuggerEvent,
  TwilioMessageReceived,
  TwilioMessageStatus,
  TwilioRecordingStatus,
  TwilioStudioEvent,
  TwilioTranscriptionEvent,
  TwilioVerificationEvent,
} from './twilio-callbacks.ts';
import type { placeCallCommand } from './voice.ts';
import type { VerificationStateChanged, startVerificationCommand } from './verify.ts';
import type { EmailStateChanged } from './email.ts';
import type { CallStateChanged } from './voice.ts';
import type { z } from 'zod';

const messageId = '0199b1c2-6b1e-7c3a-9d57-2f1f5a4e8c10';
const accountSid = 'AC00000000000000000000000000000001';
const callSid = 'CA0123456789abcdef0123456789abcdef';
const messageSid = 'SM0123456789abcdef0123456789abcdef';

const anomaly: AnomalyOpened = {
  anomalyId: '0199b1c2-6b1e-7c3a-9d57-2f1f5a4e8c11',
  tenant: 'demo',
  kind: 'failure_rate',
  scope: { country: 'US' },
  at: '2026-11-24T18:00:00.000Z',
  volume: 1200,
  rate: 0.31,
  baseline: 0.02,
};

/** One valid example of the data of every CloudEvents type; the generated docs show them, and specs hold them to their schemas. */
export const examples = {
  'messaging.send.v1': {
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped',
    to: '+14155550199',
    body: 'Your order has shipped',
    messagingService: 'default',
    lane: 'transactional',
    metadata: { orderId: '42' },
  } satisfies SendCommandInput,
  'messaging.cancel.v1': { tenant: 'demo', idempotencyKey: 'order-42-shipped' } satisfies CancelCommand,
  'messaging.message.state-changed.v1': {
    tenant: 'demo',
    messageId,
    idempotencyKey: 'order-42-shipped',
    sequence: 5,
    state: 'undelivered',
    previousState: 'sent',
    at: '2026-11-24T18:00:00.123Z',
    to: '+14155550199',
    provider: 'twilio',
    providerSid: messageSid,
    error: {
      code: 30003,
      class: 'terminal',
      title: 'Unreachable handset',
      remedy: 'Try again later or on another channel: the phone is off or out of coverage',
      runbook: 'docs/runbooks/twilio/30003.md',
    },
    metadata: { orderId: '42' },
  } satisfies MessageStateChanged,
  'messaging.message.received.v1': {
    tenant: 'demo',
    messageId,
    at: '2026-11-24T18:00:00.123Z',
    channel: 'sms',
    from: '+14155550199',
    to: '+14155550100',
    body: 'Where is my order?',
    media: [],
    provider: 'twilio',
    providerSid: messageSid,
    optOutType: null,
    inReplyTo: messageId,
  } satisfies MessageReceived,
  'twilio.message.status.v1': {
    accountSid,
    tenant: 'demo',
    resourceSid: messageSid,
    correlationId: messageId,
    status: 'delivered',
    providerTime: null,
    receivedAt: '2026-11-24T18:00:00.123Z',
    errorCode: null,
    params: { AccountSid: accountSid, MessageSid: messageSid, MessageStatus: 'delivered', To: '+14155550199' },
  } satisfies TwilioMessageStatus,
  'twilio.message.received.v1': {
    accountSid,
    tenant: 'demo',
    resourceSid: messageSid,
    correlationId: null,
    status: 'received',
    providerTime: null,
    receivedAt: '2026-11-24T18:00:00.123Z',
    errorCode: null,
    params: { AccountSid: accountSid, MessageSid: messageSid, From: '+14155550199', To: '+14155550100', Body: 'Hello' },
    from: '+14155550199',
    to: '+14155550100',
    body: 'Hello',
  } satisfies TwilioMessageReceived,
  'voice.place.v1': {
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped:voice',
    to: '+14155550199',
    say: 'Your order has shipped',
  } satisfies z.input<typeof placeCallCommand>,
  'email.send.v1': {
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped:email',
    to: 'a@example.com',
    subject: 'Your order has shipped',
    text: 'It will be there on Friday',
  } satisfies z.input<typeof sendEmailCommand>,
  'suppression.changed.v1': {
    tenant: 'demo',
    recipient: '+14155550199',
    channel: 'sms',
    scope: 'MG00000000000000000000000000000001',
    state: 'opted_out',
    reason: 'stop_keyword',
    keyword: 'STOP',
    at: '2026-11-24T18:00:00.123Z',
    sequence: 1,
    source: messageSid,
  } satisfies SuppressionChanged,
  'analytics.anomaly.opened.v1': anomaly satisfies AnomalyOpened,
  'analytics.anomaly.closed.v1': {
    ...anomaly,
    at: '2026-11-24T19:00:00.000Z',
    rate: 0.02,
    openedAt: anomaly.at,
  } satisfies AnomalyClosed,
  'twilio.call.status.v1': {
    ...callback(callSid, 'completed'),
    providerTime: '2026-11-24T18:00:00.000Z',
    sequence: 3,
    params: { AccountSid: accountSid, CallSid: callSid, CallStatus: 'completed', SequenceNumber: '3' },
  } satisfies TwilioCallStatus,
  'twilio.recording.status.v1': {
    ...callback('RE0123456789abcdef0123456789abcdef', 'completed'),
    callSid,
    params: { AccountSid: accountSid, CallSid: callSid, RecordingStatus: 'completed', RecordingDuration: '12' },
  } satisfies TwilioRecordingStatus,
  'twilio.transcription.event.v1': {
    ...callback('TR0123456789abcdef0123456789abcdef', 'completed'),
    callSid,
    sequence: null,
    params: { AccountSid: accountSid, CallSid: callSid, TranscriptionStatus: 'completed' },
  } satisfies TwilioTranscriptionEvent,
  'twilio.verification.event.v1': {
    ...callback('VE0123456789abcdef0123456789abcdef', 'APPROVED'),
    eventType: 'com.twilio.accountsecurity.verify.verification.approved',
    params: { channel: 'sms' },
  } satisfies TwilioVerificationEvent,
  'twilio.studio.event.v1': {
    ...callback('FN0123456789abcdef0123456789abcdef', 'ended'),
    eventType: 'com.twilio.studio.flow.execution.ended',
    params: { flow_sid: 'FW0123456789abcdef0123456789abcdef' },
  } satisfies TwilioStudioEvent,
  'twilio.debugger.event.v1': {
    ...callback('NO0123456789abcdef0123456789abcdef', 'ERROR'),
    errorCode: 11200,
    level: 'ERROR',
    subject: callSid,
    params: { AccountSid: accountSid, Level: 'ERROR' },
  } satisfies TwilioDebuggerEvent,
  'sendgrid.email.event.v1': {
    tenant: 'demo',
    resourceSid: '14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0',
    correlationId: messageId,
    status: 'delivered',
    providerTime: '2026-11-24T18:00:00.000Z',
    receivedAt: '2026-11-24T18:00:00.123Z',
    errorCode: null,
    eventId: 'ZGVsaXZlcmVkLTAtMTIzNDU',
    email: 'a@example.com',
    params: { event: 'delivered', timestamp: 1795543200, response: '250 OK' },
  } satisfies SendgridEmailEvent,
  'sendgrid.email.received.v1': {
    tenant: 'demo',
    resourceSid: '<4F34184B.7040006@example.com>',
    correlationId: null,
    status: 'received',
    providerTime: null,
    receivedAt: '2026-11-24T18:00:00.123Z',
    errorCode: null,
    from: 'a@example.com',
    to: ['support@parse.example.net'],
    subject: 'Where is my order?',
    text: 'It is late',
    html: null,
    raw: null,
    attachments: [],
    params: { spam_score: '0.011' },
  } satisfies SendgridEmailReceived,
  'verify.start.v1': { tenant: 'demo', idempotencyKey: 'order-42-shipped', to: '+14155550199' } satisfies z.input<
    typeof startVerificationCommand
  >,
  'verify.verification.state-changed.v1': {
    tenant: 'demo',
    verificationId: messageId,
    idempotencyKey: 'order-42-shipped',
    sequence: 2,
    state: 'submitted',
    previousState: 'accepted',
    at: '2026-11-24T18:00:00.123Z',
    to: '+14155550199',
    providerSid: callSid,
    error: null,
    metadata: { orderId: '42' },
  } satisfies VerificationStateChanged,

  'email.email.state-changed.v1': {
    tenant: 'demo',
    emailId: messageId,
    idempotencyKey: 'order-42-shipped',
    sequence: 2,
    state: 'submitted',
    previousState: 'accepted',
    at: '2026-11-24T18:00:00.123Z',
    to: '+14155550199',
    providerSid: callSid,
    error: null,
    metadata: { orderId: '42' },
  } satisfies EmailStateChanged,

  'voice.call.state-changed.v1': {
    tenant: 'demo',
    callId: messageId,
    idempotencyKey: 'order-42-shipped',
    sequence: 2,
    state: 'submitted',
    previousState: 'accepted',
    at: '2026-11-24T18:00:00.123Z',
    to: '+14155550199',
    providerSid: callSid,
    error: null,
    metadata: { orderId: '42' },
  } satisfies CallStateChanged,
};

/** The head of a Twilio callback. */
function callback(resourceSid: string, status: string) {
  return {
    accountSid,
    tenant: 'demo',
    resourceSid,
    correlationId: null,
    status,
    providerTime: null,
    receivedAt: '2026-11-24T18:00:00.123Z',
    errorCode: null,
  };
}
