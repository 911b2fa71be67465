import { Injectable } from '@nestjs/common';
import { Accounts } from '../accounts.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { rfc2822 } from '../messages-api/message-resource.ts';
import { newSid } from '../messages-api/sid.ts';

/** A call that waits for something outside of it. */
export interface OnTheLine {
  release(why: string): void;
}

export interface Participant {
  readonly callSid: string;
  readonly line: OnTheLine;
  readonly label: string | null;
  readonly startsConference: boolean;
  endsConference: boolean;
  muted: boolean;
  hold: boolean;
  readonly joinedAt: number;
  updatedAt: number;
}

export type EndReason =
  | 'conference-ended-via-api'
  | 'participant-with-end-conference-on-exit-left'
  | 'participant-with-end-conference-on-exit-kicked'
  | 'last-participant-kicked'
  | 'last-participant-left';

export interface Conference {
  readonly sid: string;
  readonly accountSid: string;
  readonly friendlyName: string;
  readonly statusCallback: string | null;
  readonly events: ReadonlySet<string>;
  status: 'init' | 'in-progress' | 'completed';
  reason: EndReason | null;
  endedBy: string | null;
  readonly createdAt: number;
  updatedAt: number;
  nextSequence: number;
  readonly participants: Participant[];
}

/** Conferences of all accounts, oldest first. Those with a name run once at a time. */
@Injectable()
export class Conferences {
  #all: Conference[] = [];

  constructor(
    private readonly accounts: Accounts,
    private readonly callbacks: StatusCallbacks,
  ) {}

  of(accountSid: string): Conference[] {
    return this.#all.filter((conference) => conference.accountSid === accountSid);
  }

  find(accountSid: string, sid: string): Conference | undefined {
    return this.of(accountSid).find((conference) => conference.sid === sid);
  }

  /** The running conference of this name; the first participant's attributes found it. */
  open(
    accountSid: string,
    friendlyName: string,
    { statusCallback, events }: Pick<Conference, 'statusCallback' | 'events'>,
  ): Conference {
    const running = this.of(accountSid).find((one) => one.friendlyName === friendlyName && one.status !== 'completed');
    if (running) return running;
    const now = Date.now();
    const conference: Conference = {
      sid: newSid('CF'),
      accountSid,
      friendlyName,
      statusCallback,
      events,
      status: 'init',
      reason: null,
      endedBy: null,
      createdAt: now,
      updatedAt: now,
      nextSequence: 0,
      participants: [],
    };
    this.#all.push(conference);
    return conference;
  }

  join(conference: Conference, participant: Participant): void {
    conference.participants.push(participant);
    this.#tell(conference, 'join', 'participant-join', participant);
    const starts = conference.status === 'init' && conference.participants.some((one) => one.startsConference);
    if (starts) {
      this.#turn(conference, 'in-progress');
      this.#tell(conference, 'start', 'conference-start', participant);
    }
  }

  /** `kicked`: not of their own will. */
  leave(conference: Conference, participant: Participant, kicked = false): void {
    const at = conference.participants.indexOf(participant);
    if (at < 0) return;
    conference.participants.splice(at, 1);
    this.#tell(conference, 'leave', 'participant-leave', participant);
    const how = kicked ? 'kicked' : 'left';
    if (conference.status === 'completed') return;
    if (participant.endsConference)
      this.end(conference, `participant-with-end-conference-on-exit-${how}`, participant.callSid);
    else if (conference.participants.length === 0) this.end(conference, `last-participant-${how}`, participant.callSid);
  }

  end(conference: Conference, reason: EndReason, endedBy: string | null = null): void {
    if (conference.status === 'completed') return;
    this.#turn(conference, 'completed');
    conference.reason = reason;
    conference.endedBy = endedBy;
    for (const participant of [...conference.participants]) {
      this.leave(conference, participant);
      participant.line.release('conference-ended');
    }
    this.#tell(conference, 'end', 'conference-end', undefined, {
      ReasonConferenceEnded: reason,
      ...(endedBy === null ? {} : { CallSidEndingConference: endedBy }),
    });
  }

  change(conference: Conference, participant: Participant, to: { muted?: boolean; hold?: boolean }): void {
    participant.updatedAt = Date.now();
    if (to.muted !== undefined && to.muted !== participant.muted) {
      participant.muted = to.muted;
      this.#tell(conference, 'mute', to.muted ? 'participant-mute' : 'participant-unmute', participant);
    }
    if (to.hold !== undefined && to.hold !== participant.hold) {
      participant.hold = to.hold;
      this.#tell(conference, 'hold', to.hold ? 'participant-hold' : 'participant-unhold', participant);
    }
  }

  clear(): void {
    this.#all = [];
  }

  #turn(conference: Conference, status: Conference['status']): void {
    conference.status = status;
    conference.updatedAt = Date.now();
  }

  /** Source: https://www.twilio.com/docs/voice/twiml/conference#attributes-statusCallback */
  #tell(
    conference: Conference,
    kind: string,
    event: string,
    participant?: Participant,
    more: Record<string, string> = {},
  ): void {
    const account = this.accounts.bySid(conference.accountSid);
    if (!account || conference.statusCallback === null || !conference.events.has(kind)) return;
    const form = {
      AccountSid: conference.accountSid,
      ConferenceSid: conference.sid,
      FriendlyName: conference.friendlyName,
      StatusCallbackEvent: event,
      SequenceNumber: String(++conference.nextSequence),
      Timestamp: rfc2822(Date.now()),
      ...(participant && {
        CallSid: participant.callSid,
        Muted: String(participant.muted),
        Hold: String(participant.hold),
        Coaching: 'false',
        EndConferenceOnExit: String(participant.endsConference),
        StartConferenceOnEnter: String(participant.startsConference),
        ...(participant.label !== null && { ParticipantLabel: participant.label }),
      }),
      ...more,
    };
    const { statusCallback: url } = conference;
    this.callbacks.tell(conference, { url, form, authToken: account.authToken }, event === 'conference-end');
  }
}
