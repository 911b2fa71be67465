import { type Topic, topics } from '@signalbox/contracts';
import type { Normalise } from './records/callback.rules.ts';
import { normaliseDebuggerEvent } from './records/debugger.rules.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './records/message.rules.ts';
import { normaliseStudioEvent } from './records/studio.rules.ts';
import { normaliseVerificationEvent } from './records/verify.rules.ts';
import { normaliseCallStatus, normaliseRecordingStatus, normaliseTranscription } from './records/voice.rules.ts';

/** A kind of callback: where it comes in, what it becomes, and where that goes. */
export interface TwilioCallback {
  /** Path, and label in metrics and logs. */
  readonly route: string;
  /** What a form, or a JSON object, becomes. Without: JSON arrays of CloudEvents only. */
  readonly record?: { readonly topic: Topic; readonly normalise: Normalise };
  /** JSON is taken too, and in it also the events of Event Streams, by their own topics. */
  readonly json?: boolean;
  /** Twilio's own parameters need not be among those of the form, so that it may name no account. */
  readonly freeForm?: boolean;
  /** An empty TwiML document is the answer: no reply is sent to the person. */
  readonly twiml?: boolean;
}

export const twilioCallbacks: readonly TwilioCallback[] = [
  {
    route: '/twilio/sms/status',
    record: { topic: topics.twilioMessageCallbacks, normalise: normaliseMessageStatus },
  },
  {
    route: '/twilio/sms/inbound',
    record: { topic: topics.twilioInboundCallbacks, normalise: normaliseMessageReceived },
    twiml: true,
  },
  {
    route: '/twilio/voice/status',
    record: { topic: topics.twilioCallCallbacks, normalise: normaliseCallStatus },
  },
  {
    route: '/twilio/voice/recording',
    record: { topic: topics.twilioCallCallbacks, normalise: normaliseRecordingStatus },
  },
  {
    route: '/twilio/voice/transcription',
    record: { topic: topics.twilioCallCallbacks, normalise: normaliseTranscription },
  },
  {
    route: '/twilio/verify/events',
    record: { topic: topics.twilioVerifyCallbacks, normalise: normaliseVerificationEvent },
    json: true,
  },
  {
    route: '/twilio/studio/events',
    record: { topic: topics.twilioStudioCallbacks, normalise: normaliseStudioEvent },
    json: true,
    freeForm: true,
  },
  {
    route: '/twilio/debugger',
    record: { topic: topics.twilioDebuggerCallbacks, normalise: normaliseDebuggerEvent },
    json: true,
  },
  { route: '/twilio/events', json: true },
];
