import type { TwilioCallStatus, TwilioRecordingStatus, TwilioTranscriptionEvent } from '@signalbox/contracts';
import {
  type AuthenticCallback,
  errorPart,
  missing,
  type Normalised,
  pick,
  toRecord,
  toSequence,
  toTime,
} from './callback.rules.ts';

/**
 * Progress of a call, of a conference or of a media stream, and the result of asynchronous machine detection.
 * Source: https://www.twilio.com/docs/voice/api/call-resource#statuscallback
 */
export function normaliseCallStatus(
  callback: AuthenticCallback,
): Normalised<TwilioCallStatus, 'twilio.call.status.v1'> {
  const { params, stream } = callback;
  const callSid = pick(params, 'CallSid');
  const conferenceSid = pick(params, 'ConferenceSid');
  const resourceSid = callSid ?? conferenceSid;
  if (!resourceSid) return missing('CallSid');
  const callStatus = pick(params, 'CallStatus');
  const answeredBy = pick(params, 'AnsweredBy');
  const status =
    // Those of a conference and a stream carry the call's status as well, or none.
    pick(params, 'StatusCallbackEvent', 'StreamEvent') ?? callStatus ?? (answeredBy && 'amd-detected');
  if (!status) return missing('CallStatus');
  const sequence = pick(params, 'SequenceNumber');
  return toRecord(callback, {
    type: 'twilio.call.status.v1',
    key: resourceSid,
    resourceSid,
    status,
    providerTime: toTime(pick(params, 'Timestamp')) ?? stream?.time ?? null,
    errorCode: pick(params, 'ErrorCode', 'StreamErrorCode'),
    occurrence: [
      status,
      toSequence(sequence)?.toString() ?? '',
      conferenceSid ?? pick(params, 'StreamSid') ?? (callStatus ? '' : answeredBy),
    ],
    more: { sequence: toSequence(sequence) },
  });
}

/** Source: https://www.twilio.com/docs/voice/api/recording#recording-status-callback */
export function normaliseRecordingStatus(
  callback: AuthenticCallback,
): Normalised<TwilioRecordingStatus, 'twilio.recording.status.v1'> {
  const { params } = callback;
  const recordingSid = pick(params, 'RecordingSid');
  if (!recordingSid) return missing('RecordingSid');
  const status = pick(params, 'RecordingStatus');
  if (!status) return missing('RecordingStatus');
  const callSid = pick(params, 'CallSid') ?? null;
  const errorCode = pick(params, 'ErrorCode');
  return toRecord(callback, {
    type: 'twilio.recording.status.v1',
    key: callSid ?? pick(params, 'ConferenceSid') ?? recordingSid,
    resourceSid: recordingSid,
    status,
    // RecordingStartTime is when the recording began, not when this happened.
    providerTime: toTime(pick(params, 'Timestamp')),
    errorCode,
    occurrence: [status, errorPart(errorCode)],
    more: { callSid },
  });
}

/**
 * Of a recording (TranscriptionStatus) or in real time (TranscriptionEvent).
 * Source: https://www.twilio.com/docs/voice/twiml/record#attributes-transcribecallback, …/twiml/transcription
 */
export function normaliseTranscription(
  callback: AuthenticCallback,
): Normalised<TwilioTranscriptionEvent, 'twilio.transcription.event.v1'> {
  const { params } = callback;
  const transcriptionSid = pick(params, 'TranscriptionSid');
  if (!transcriptionSid) return missing('TranscriptionSid');
  const status = pick(params, 'TranscriptionEvent', 'TranscriptionStatus');
  if (!status) return missing('TranscriptionStatus');
  const callSid = pick(params, 'CallSid') ?? null;
  const sequence = pick(params, 'SequenceNumber');
  return toRecord(callback, {
    type: 'twilio.transcription.event.v1',
    key: callSid ?? transcriptionSid,
    resourceSid: transcriptionSid,
    status,
    providerTime: toTime(pick(params, 'Timestamp')),
    errorCode: pick(params, 'ErrorCode', 'TranscriptionErrorCode'),
    occurrence: [status, toSequence(sequence)?.toString() ?? ''],
    more: { callSid, sequence: toSequence(sequence) },
  });
}
