import type { CallEvent, CallStatus } from './call.ts';
import type { Participant } from './conferences.ts';
import { Interruption, next, type Performance, type Turn } from './performance.ts';
import { Bridge } from './queues.ts';
import { recordingUrl } from './recordings.ts';
import type { Leg } from './stage.ts';
import type { Verb } from './twiml.rules.ts';

type Address = (path: string | undefined) => string | undefined;

const DEFAULT_RING_S = 30;

/** Connects the call with a number, a SIP address, a client, a conference or the first caller of a queue. */
export async function dial(person: Performance, verb: Verb, address: Address): Promise<Turn> {
  const noun = verb.children[0];
  const outcome =
    noun?.name === 'Conference'
      ? await confer(person, verb, noun, address)
      : noun?.name === 'Queue'
        ? await takeFromQueue(person, noun, address)
        : await connect(person, verb, address);
  const action = verb.attributes['action'];
  const url = action === undefined ? undefined : address(action);
  return url === undefined ? next : { to: 'document', url, form: outcome };
}

/** Rings all nouns; the first that answers talks. */
async function connect(person: Performance, verb: Verb, address: Address): Promise<Record<string, string>> {
  const { call, stage } = person;
  const nouns = verb.children.length > 0 ? verb.children : [{ ...verb, name: 'Number', attributes: {} }];
  const from = verb.attributes['callerId'] ?? (call.direction === 'inbound' ? call.from : call.to);
  const ringSeconds = Number(verb.attributes['timeout'] ?? DEFAULT_RING_S);
  const legs = nouns.map((noun) => {
    const statusCallback = noun.attributes['statusCallback'];
    return stage.dialLeg?.(call, noun.name === 'Client' ? `client:${noun.text}` : noun.text, from, {
      ringSeconds,
      statusCallback: statusCallback === undefined ? null : (address(statusCallback) ?? null),
      statusCallbackEvents: (noun.attributes['statusCallbackEvent'] ?? 'completed').split(' ') as CallEvent[],
    });
  }) as Leg[];
  person.note({ event: `dials ${nouns.map(({ text }) => text).join(', ')}` });

  let taken: Leg | undefined;
  let status: CallStatus = 'no-answer';
  const firstAnswer = Promise.withResolvers<void>();
  const ringing = legs.map(async (leg) => {
    const answer = await leg.answered;
    if (answer !== 'in-progress') status = answer;
    else if (!taken) {
      taken = leg;
      firstAnswer.resolve();
    }
  });
  try {
    await person.until(Promise.race([firstAnswer.promise, Promise.all(ringing)]));
    for (const leg of legs) if (leg !== taken) leg.end('canceled');
    if (!taken) return { DialCallStatus: status, ...sidOf(legs[0]) };
    const begun = call.seconds;
    person.note({ event: 'is connected' });
    await person.stayUntil(taken.talked);
    const seconds = call.seconds - begun;
    return {
      DialCallStatus: 'completed',
      DialCallDuration: String(Math.round(seconds)),
      DialBridged: 'true',
      ...sidOf(taken),
      ...record(person, verb, address, seconds),
    };
  } finally {
    for (const leg of legs) leg.end(leg === taken ? 'completed' : 'canceled');
  }
}

function record(person: Performance, { attributes }: Verb, address: Address, seconds: number): Record<string, string> {
  if (!/^record-from/.test(attributes['record'] ?? '')) return {};
  const { call, stage } = person;
  const callback = attributes['recordingStatusCallback'];
  const url = callback === undefined ? undefined : address(callback);
  const recording = stage.recordings.add(
    {
      accountSid: call.accountSid,
      callSid: call.sid,
      conferenceSid: null,
      source: 'DialVerb',
      channels: attributes['record']?.endsWith('dual') ? 2 : 1,
      seconds,
    },
    url === undefined ? null : { url, events: (attributes['recordingStatusCallbackEvent'] ?? 'completed').split(' ') },
  );
  return { RecordingUrl: recordingUrl(recording), RecordingSid: recording.sid };
}

const sidOf = (leg: Leg | undefined): Record<string, string> => (leg ? { DialCallSid: leg.call.sid } : {});

async function takeFromQueue(person: Performance, noun: Verb, address: Address): Promise<Record<string, string>> {
  const { call, stage } = person;
  const queue = stage.queues.named(call.accountSid, noun.text);
  const member = queue?.members[0];
  if (!queue || !member) return { DialCallStatus: 'no-answer' };
  const greeting = noun.attributes['url'];
  const bridge = new Bridge(greeting === undefined ? null : (address(greeting) ?? null));
  const begun = call.seconds;
  member.dequeue({ bridge });
  person.note({ event: `takes ${member.callSid} from queue ${noun.text}` });
  try {
    await person.stayUntil(bridge.over);
  } finally {
    bridge.end();
  }
  return {
    DialCallStatus: 'completed',
    DialCallSid: member.callSid,
    DialCallDuration: String(Math.round(call.seconds - begun)),
  };
}

async function confer(person: Performance, verb: Verb, noun: Verb, address: Address): Promise<Record<string, string>> {
  const { call, stage } = person;
  const { attributes } = noun;
  const is = (name: string, otherwise: boolean) => (attributes[name] ?? String(otherwise)) === 'true';
  const callback = attributes['statusCallback'];
  const conference = stage.conferences.open(call.accountSid, noun.text, {
    statusCallback: callback === undefined ? null : (address(callback) ?? null),
    events: new Set((attributes['statusCallbackEvent'] ?? 'start end').split(' ')),
  });
  const now = Date.now();
  const participant: Participant = {
    callSid: call.sid,
    line: person,
    label: attributes['participantLabel'] ?? null,
    startsConference: is('startConferenceOnEnter', true),
    endsConference: is('endConferenceOnExit', false),
    muted: is('muted', false),
    hold: false,
    joinedAt: now,
    updatedAt: now,
  };
  const begun = call.seconds;
  stage.conferences.join(conference, participant);
  person.note({ event: `joins conference ${noun.text}` });
  try {
    const music = attributes['waitUrl'];
    const url = music === undefined || music === '' ? undefined : address(music);
    if (conference.status === 'init' && url !== undefined) await person.hear(url, { ConferenceSid: conference.sid });
    await person.stay();
  } catch (error) {
    if (!(error instanceof Interruption && 'release' in error.how)) throw error;
  } finally {
    stage.conferences.leave(conference, participant);
  }
  const recorded = /^record-from-start$/.test(attributes['record'] ?? '');
  const recordingCallback = attributes['recordingStatusCallback'];
  const recordingTo = recordingCallback === undefined ? undefined : address(recordingCallback);
  if (recorded && conference.participants.length === 0) {
    stage.recordings.add(
      {
        accountSid: call.accountSid,
        callSid: null,
        conferenceSid: conference.sid,
        source: 'Conference',
        channels: 1,
        seconds: call.seconds - begun,
      },
      recordingTo === undefined
        ? null
        : { url: recordingTo, events: (attributes['recordingStatusCallbackEvent'] ?? 'completed').split(' ') },
    );
  }
  return { DialCallStatus: 'answered', ...(verb.attributes['action'] && { ConferenceSid: conference.sid }) };
}
