import {
  type CloudEvent,
  topics,
  type TranscriptionReceived,
  type TwilioTranscriptionEvent,
} from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { text } from '../facts/facts.rules.ts';

/**
 * The event of a transcription; undefined where nothing was said: that a transcription began or stopped.
 * Source: https://www.twilio.com/docs/voice/twiml/record#attributes-transcribecallback, …/twiml/transcription
 */
export function transcriptionEvent(
  id: string,
  data: TwilioTranscriptionEvent,
  callId: string | null,
): OutgoingEvent | undefined {
  const { params, resourceSid, callSid } = data;
  const live = 'TranscriptionEvent' in params;
  if (live && data.status !== 'transcription-content') return undefined;
  const said = live ? saidOf(text(params['TranscriptionData'])) : { text: text(params['TranscriptionText']) ?? '' };
  const at = data.providerTime ?? data.receivedAt;
  const received: TranscriptionReceived = {
    tenant: data.tenant,
    transcriptionSid: resourceSid,
    recordingId: text(params['RecordingSid']),
    callId,
    callSid,
    sequence: data.sequence,
    status: data.status,
    track: text(params['Track']),
    final: live ? params['Final'] === 'true' : true,
    language: text(params['LanguageCode']),
    confidence: said.confidence ?? null,
    text: said.text,
    at,
  };
  const event: CloudEvent = {
    id: `transcription:${data.tenant}/${id}`,
    source: '//signalbox/voice-svc',
    type: 'voice.transcription.received.v1',
    time: at,
    subject: resourceSid,
    data: received,
  };
  return { topic: topics.voiceEvents.name, key: callId ?? callSid ?? resourceSid, event };
}

/** What real-time transcription writes: `{"transcript": "…", "confidence": 0.98}`. */
function saidOf(json: string | null): { text: string; confidence?: number } {
  try {
    const data = JSON.parse(json ?? '{}') as { transcript?: unknown; confidence?: unknown };
    return {
      text: typeof data.transcript === 'string' ? data.transcript : '',
      ...(typeof data.confidence === 'number' && { confidence: data.confidence }),
    };
  } catch {
    // Whatever it is, it is what the provider says was said.
    return { text: json ?? '' };
  }
}
