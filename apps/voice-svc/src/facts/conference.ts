import { type CloudEvent, type ConferenceChanged, topics, type TwilioCallStatus } from '@signalbox/contracts';
import { columns, type OutgoingEvent, type Write } from '@signalbox/persistence';
import { text } from './facts.rules.ts';

export interface ConferenceEvent {
  /** The CloudEvents id of the callback. */
  readonly id: string;
  readonly data: ConferenceChanged;
}

/** What a callback says of a conference; undefined when it is not about one. */
export function conferenceEventOf(id: string, data: TwilioCallStatus): ConferenceEvent | undefined {
  const { params } = data;
  const conferenceSid = text(params['ConferenceSid']);
  const kind = text(params['StatusCallbackEvent']);
  if (conferenceSid === null || kind === null) return undefined;
  return {
    id,
    data: {
      tenant: data.tenant,
      conferenceSid,
      name: text(params['FriendlyName']) ?? '',
      sequence: data.sequence,
      kind,
      callSid: text(params['CallSid']),
      muted: truth(params['Muted']),
      hold: truth(params['Hold']),
      reason: text(params['ReasonConferenceEnded']),
      at: data.providerTime ?? data.receivedAt,
    },
  };
}

export function toOutgoing({ id, data }: ConferenceEvent): OutgoingEvent {
  const event: CloudEvent = {
    id: `conference:${data.tenant}/${id}`,
    source: '//signalbox/voice-svc',
    type: 'voice.conference.changed.v1',
    time: data.at,
    subject: data.conferenceSid,
    data,
  };
  return { topic: topics.voiceEvents.name, key: data.conferenceSid, event };
}

/**
 * The state that the events of a batch lead to; what came late changes nothing that is known from later. Each tenant has its
 * own: it may name the SID of another's conference in a callback.
 */
export function conferenceWrites(events: readonly ConferenceEvent[]): Write[] {
  if (events.length === 0) return [];
  return [conferencesWrite(events), participantsWrite(events)];
}

function conferencesWrite(events: readonly ConferenceEvent[]): Write {
  const conferences = new Map<
    string,
    { data: ConferenceChanged; startedAt: string | null; endedAt: string | null; reason: string | null }
  >();
  for (const { data } of events) {
    const key = `${data.tenant} ${data.conferenceSid}`;
    const before = conferences.get(key);
    conferences.set(key, {
      data,
      startedAt: data.kind === 'conference-start' ? data.at : (before?.startedAt ?? null),
      endedAt: data.kind === 'conference-end' ? data.at : (before?.endedAt ?? null),
      reason: data.reason ?? before?.reason ?? null,
    });
  }
  const sorted = [...conferences.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
  const rows = columns(
    sorted,
    {
      tenant: 'text',
      conference_sid: 'text',
      name: 'text',
      started_at: 'timestamptz',
      ended_at: 'timestamptz',
      reason: 'text',
      updated_at: 'timestamptz',
    },
    ([, { data, startedAt, endedAt, reason }]) => ({
      tenant: data.tenant,
      conference_sid: data.conferenceSid,
      name: data.name,
      started_at: startedAt,
      ended_at: endedAt,
      reason,
      updated_at: data.at,
    }),
  );
  return (first) => ({
    sql: `insert into conferences as c (${rows.names}) select * from ${rows.as('n', first)}
     on conflict (tenant, conference_sid) do update set
       started_at = coalesce(c.started_at, excluded.started_at), ended_at = coalesce(c.ended_at, excluded.ended_at),
       reason = coalesce(c.reason, excluded.reason), updated_at = greatest(c.updated_at, excluded.updated_at)`,
    parameters: rows.parameters,
  });
}

function participantsWrite(events: readonly ConferenceEvent[]): Write {
  const latest = new Map<
    string,
    { data: ConferenceChanged; joinedAt: string | null; leftAt: string | null; sequence: number }
  >();
  for (const { data } of events) {
    if (data.callSid === null) continue;
    const key = `${data.tenant} ${data.conferenceSid} ${data.callSid}`;
    const before = latest.get(key);
    const sequence = data.sequence ?? 0;
    latest.set(key, {
      data: before && before.sequence > sequence ? before.data : data,
      joinedAt: data.kind === 'participant-join' ? data.at : (before?.joinedAt ?? null),
      leftAt: data.kind === 'participant-leave' ? data.at : (before?.leftAt ?? null),
      sequence: Math.max(sequence, before?.sequence ?? 0),
    });
  }
  if (latest.size === 0) return undefined;
  const sorted = [...latest.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
  const rows = columns(
    sorted,
    {
      tenant: 'text',
      conference_sid: 'text',
      call_sid: 'text',
      joined_at: 'timestamptz',
      left_at: 'timestamptz',
      muted: 'boolean',
      hold: 'boolean',
      sequence: 'integer',
    },
    ([, { data, joinedAt, leftAt, sequence }]) => ({
      tenant: data.tenant,
      conference_sid: data.conferenceSid,
      call_sid: data.callSid ?? '',
      joined_at: joinedAt,
      left_at: leftAt,
      muted: data.muted,
      hold: data.hold,
      sequence,
    }),
  );
  return (first) => ({
    sql: `insert into conference_participants as p (${rows.names}) select * from ${rows.as('n', first)}
     on conflict (tenant, conference_sid, call_sid) do update set
       joined_at = coalesce(p.joined_at, excluded.joined_at), left_at = coalesce(p.left_at, excluded.left_at),
       muted = case when excluded.sequence >= p.sequence then coalesce(excluded.muted, p.muted) else p.muted end,
       hold = case when excluded.sequence >= p.sequence then coalesce(excluded.hold, p.hold) else p.hold end,
       sequence = greatest(p.sequence, excluded.sequence)`,
    parameters: rows.parameters,
  });
}

function truth(param: string | readonly string[] | undefined): boolean | null {
  const value = text(param);
  return value === null ? null : value === 'true';
}
