import { newSid } from '../messages-api/sid.ts';
import { next, type Performance, speakingTime, type Turn } from './performance.ts';
import { type Recording, recordingUrl } from './recordings.ts';
import type { Verb } from './twiml.rules.ts';

const DEFAULT_LENGTH_S = 3_600;

/** Records the next thing of the script. Without sound there is no action, only the next verb. */
export async function record(
  person: Performance,
  { attributes }: Verb,
  address: (path: string | undefined) => string | undefined,
): Promise<Turn> {
  const { call, account, stage } = person;
  const spoken: string[] = [];
  let seconds = 0;
  let finishedBy: string | undefined;
  const most = Number(attributes['maxLength'] ?? DEFAULT_LENGTH_S);
  const silence = Number(attributes['timeout'] ?? 5);
  let hungUp = false;
  for (let done = false; !done && seconds < most;) {
    const step = person.nextStep();
    if (step === undefined || 'silence' in step) {
      await person.pass(silence);
      done = true;
    } else if ('hangup' in step) {
      hungUp = true;
      done = true;
    } else if ('wait' in step) {
      await person.pass(step.wait);
      seconds = Math.min(most, seconds + step.wait);
    } else if ('say' in step) {
      await person.express(step);
      spoken.push(step.say);
      seconds = Math.min(most, seconds + speakingTime(step.say));
    } else {
      person.note({ pressed: step.press });
      finishedBy = [...step.press].find((key) => (attributes['finishOnKey'] ?? '1234567890*#').includes(key));
      done = finishedBy !== undefined;
    }
  }
  const callback = address(attributes['recordingStatusCallback']);
  const recording = stage.recordings.add(
    { accountSid: call.accountSid, callSid: call.sid, conferenceSid: null, source: 'RecordVerb', channels: 1, seconds },
    attributes['recordingStatusCallback'] === undefined || callback === undefined
      ? null
      : { url: callback, events: (attributes['recordingStatusCallbackEvent'] ?? 'completed').split(' ') },
  );
  const transcribe = attributes['transcribeCallback'];
  const to = transcribe === undefined ? undefined : address(transcribe);
  if (to !== undefined && recording.status === 'completed') {
    const form = transcription(recording, spoken.join(' '));
    stage.timers.after(stage.faults.stepDelayMs(), () =>
      stage.callbacks.tell(form, { url: to, form, authToken: account.authToken }, true),
    );
  }
  if (hungUp) person.hangUp();
  const action = address(attributes['action']);
  if (recording.status === 'absent' || action === undefined) return next;
  const form = {
    RecordingUrl: recordingUrl(recording),
    RecordingSid: recording.sid,
    RecordingDuration: String(Math.round(seconds)),
    ...(finishedBy !== undefined && { Digits: finishedBy }),
  };
  return { to: 'document', url: action, form };
}

/** Source: https://www.twilio.com/docs/voice/twiml/record#attributes-transcribecallback */
function transcription(recording: Recording, text: string): Record<string, string> {
  const sid = newSid('TR');
  return {
    AccountSid: recording.accountSid,
    ...(recording.callSid !== null && { CallSid: recording.callSid }),
    RecordingSid: recording.sid,
    RecordingUrl: recordingUrl(recording),
    TranscriptionSid: sid,
    TranscriptionStatus: 'completed',
    TranscriptionText: text,
    TranscriptionUrl: `${recordingUrl(recording)}/Transcriptions/${sid}`,
  };
}
