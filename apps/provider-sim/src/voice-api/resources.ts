import { API_VERSION, rfc2822 } from '../messages-api/message-resource.ts';
import type { Call } from './call.ts';
import type { Conference, Participant } from './conferences.ts';
import type { Member, Queue } from './queues.ts';
import { type Recording, recordingUrl } from './recordings.ts';

const base = (accountSid: string) => `/${API_VERSION}/Accounts/${accountSid}`;
const time = (at: number | null) => (at === null ? null : rfc2822(at));

/** Of a call in US dollars, for a started minute. */
const MINUTE_PRICE = 0.014;
const RECORDED_MINUTE_PRICE = 0.0025;

const minutes = (seconds: number) => Math.max(1, Math.ceil(seconds / 60));
const price = (perMinute: number, seconds: number) => (-perMinute * minutes(seconds)).toFixed(5);

/** The shapes are those of Twilio's OpenAPI description, `api.v2010.account.…`. */
export function callResource(call: Call) {
  const uri = `${base(call.accountSid)}/Calls/${call.sid}`;
  const over = call.endedAt !== null;
  return {
    sid: call.sid,
    date_created: rfc2822(call.createdAt),
    date_updated: rfc2822(call.updatedAt),
    parent_call_sid: call.parentCallSid,
    account_sid: call.accountSid,
    to: call.to,
    to_formatted: call.to,
    from: call.from,
    from_formatted: call.from,
    phone_number_sid: null,
    // The API knows no `initiated`.
    status: call.status === 'initiated' ? 'queued' : call.status,
    start_time: time(call.startedAt),
    end_time: time(call.endedAt),
    duration: over ? String(Math.round(call.seconds)) : null,
    price: call.priced ? price(MINUTE_PRICE, call.seconds) : null,
    price_unit: 'USD',
    direction: call.direction,
    answered_by: call.answeredBy,
    api_version: API_VERSION,
    forwarded_from: null,
    group_sid: null,
    caller_name: null,
    queue_time: '0',
    trunk_sid: null,
    uri: `${uri}.json`,
    subresource_uris: { recordings: `${uri}/Recordings.json`, events: `${uri}/Events.json` },
  };
}

export function recordingResource(recording: Recording) {
  const uri = `${base(recording.accountSid)}/Recordings/${recording.sid}`;
  return {
    account_sid: recording.accountSid,
    api_version: API_VERSION,
    call_sid: recording.callSid,
    conference_sid: recording.conferenceSid,
    date_created: rfc2822(recording.createdAt),
    date_updated: rfc2822(recording.updatedAt),
    start_time: rfc2822(recording.createdAt),
    duration: String(Math.round(recording.seconds)),
    sid: recording.sid,
    price: recording.status === 'completed' ? price(RECORDED_MINUTE_PRICE, recording.seconds) : null,
    price_unit: 'USD',
    status: recording.status,
    channels: recording.channels,
    source: recording.source,
    error_code: null,
    uri: `${uri}.json`,
    encryption_details: null,
    subresource_uris: { transcriptions: `${uri}/Transcriptions.json` },
    media_url: recordingUrl(recording),
  };
}

export function conferenceResource(conference: Conference) {
  const uri = `${base(conference.accountSid)}/Conferences/${conference.sid}`;
  return {
    account_sid: conference.accountSid,
    date_created: rfc2822(conference.createdAt),
    date_updated: rfc2822(conference.updatedAt),
    api_version: API_VERSION,
    friendly_name: conference.friendlyName,
    region: 'us1',
    sid: conference.sid,
    status: conference.status,
    uri: `${uri}.json`,
    subresource_uris: { participants: `${uri}/Participants.json` },
    reason_conference_ended: conference.reason,
    call_sid_ending_conference: conference.endedBy,
  };
}

export function participantResource(conference: Conference, participant: Participant) {
  const { accountSid, sid } = conference;
  return {
    account_sid: accountSid,
    call_sid: participant.callSid,
    label: participant.label,
    call_sid_to_coach: null,
    coaching: false,
    conference_sid: sid,
    date_created: rfc2822(participant.joinedAt),
    date_updated: rfc2822(participant.updatedAt),
    end_conference_on_exit: participant.endsConference,
    muted: participant.muted,
    hold: participant.hold,
    start_conference_on_enter: participant.startsConference,
    status: 'connected',
    queue_time: '0',
    uri: `${base(accountSid)}/Conferences/${sid}/Participants/${participant.callSid}.json`,
  };
}

export function queueResource(queue: Queue, now: number) {
  const waits = queue.members.map(({ enqueuedAt }) => now - enqueuedAt);
  const average = waits.length === 0 ? 0 : waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
  return {
    date_updated: rfc2822(queue.updatedAt),
    current_size: queue.members.length,
    friendly_name: queue.friendlyName,
    uri: `${base(queue.accountSid)}/Queues/${queue.sid}.json`,
    account_sid: queue.accountSid,
    average_wait_time: Math.round(average / 1000),
    sid: queue.sid,
    date_created: rfc2822(queue.createdAt),
    max_size: queue.maxSize,
  };
}

export function memberResource(queue: Queue, member: Member, now: number) {
  return {
    call_sid: member.callSid,
    date_enqueued: rfc2822(member.enqueuedAt),
    position: queue.members.indexOf(member) + 1,
    uri: `${base(queue.accountSid)}/Queues/${queue.sid}/Members/${member.callSid}.json`,
    wait_time: Math.round((now - member.enqueuedAt) / 1000),
    queue_sid: queue.sid,
  };
}
