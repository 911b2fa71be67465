import { withoutCredentials } from '../control-api/accepted-messages.ts';
import { type Call, heardText } from './call.ts';

/** A call as `GET /_sim/calls` shows it; `body` is what was said to whoever is on the phone. */
export function acceptedCall(call: Call) {
  const { statusCallback } = call.settings;
  return {
    sid: call.sid,
    accountSid: call.accountSid,
    direction: call.direction,
    parentCallSid: call.parentCallSid,
    to: call.to,
    from: call.from,
    body: heardText(call),
    status: call.status,
    answeredBy: call.answeredBy,
    createdAt: new Date(call.createdAt).toISOString(),
    endedAt: call.endedAt === null ? null : new Date(call.endedAt).toISOString(),
    seconds: Math.round(call.seconds),
    statusCallback: statusCallback === null ? null : withoutCredentials(statusCallback),
    transcript: call.transcript,
    errors: call.errors,
    documents: call.documents,
    deleted: call.deleted,
  };
}
