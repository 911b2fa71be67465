import { API_VERSION, rfc2822 } from '../messages-api/message-resource.ts';
import type { Call } from './call.ts';

/** Twilio sends these empty where it does not know. */
const places = Object.fromEntries(
  ['Called', 'Caller', 'From', 'To'].flatMap((side): [string, string][] => [
    [`${side}Country`, 'US'],
    [`${side}State`, ''],
    [`${side}City`, ''],
    [`${side}Zip`, ''],
  ]),
);

/** What every request about a call says. Source: https://www.twilio.com/docs/voice/twiml#request-parameters */
export function callForm(call: Call): Record<string, string> {
  return {
    ...places,
    AccountSid: call.accountSid,
    ApiVersion: API_VERSION,
    CallSid: call.sid,
    CallStatus: call.status,
    Called: call.to,
    Caller: call.from,
    Direction: call.direction,
    From: call.from,
    To: call.to,
    ...(call.parentCallSid === null ? {} : { ParentCallSid: call.parentCallSid }),
  };
}

/** A status callback. Source: https://www.twilio.com/docs/voice/api/call-resource#statuscallback */
export function callStatusForm(call: Call, sequence: number, now: number): Record<string, string> {
  const over = call.endedAt !== null;
  return {
    ...callForm(call),
    CallbackSource: 'call-progress-events',
    SequenceNumber: String(sequence),
    Timestamp: rfc2822(now),
    ...(call.answeredBy === null ? {} : { AnsweredBy: call.answeredBy }),
    ...(over && {
      CallDuration: String(Math.round(call.seconds)),
      // Minutes, as they are billed.
      Duration: String(Math.ceil(call.seconds / 60)),
    }),
    ...(over && call.sipResponseCode !== null && { SipResponseCode: String(call.sipResponseCode) }),
  };
}
