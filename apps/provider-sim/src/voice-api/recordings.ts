import { Injectable } from '@nestjs/common';
import { Accounts } from '../accounts.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { API_VERSION, rfc2822 } from '../messages-api/message-resource.ts';
import { newSid } from '../messages-api/sid.ts';

export interface Recording {
  readonly sid: string;
  readonly accountSid: string;
  readonly callSid: string | null;
  readonly conferenceSid: string | null;
  readonly source: 'DialVerb' | 'Conference' | 'OutboundAPI' | 'RecordVerb';
  readonly channels: 1 | 2;
  readonly seconds: number;
  readonly createdAt: number;
  updatedAt: number;
  status: 'completed' | 'absent' | 'deleted';
}

export interface RecordingAnnouncement {
  /** Connection overrides included. */
  readonly url: string;
  readonly events: readonly string[];
}

/** Samples of a second: 8 kHz, 8 bits. */
const RATE = 8_000;

/** What was recorded, oldest first, and its sound. */
@Injectable()
export class Recordings {
  #all: Recording[] = [];

  constructor(
    private readonly accounts: Accounts,
    private readonly callbacks: StatusCallbacks,
  ) {}

  /** Keeps a finished recording and announces it; one without sound is `absent`. */
  add(
    made: Pick<Recording, 'accountSid' | 'callSid' | 'conferenceSid' | 'source' | 'channels' | 'seconds'>,
    announcement: RecordingAnnouncement | null,
  ): Recording {
    const now = Date.now();
    const recording: Recording = {
      ...made,
      sid: newSid('RE'),
      createdAt: now,
      updatedAt: now,
      status: made.seconds > 0 ? 'completed' : 'absent',
    };
    this.#all.push(recording);
    const account = this.accounts.bySid(recording.accountSid);
    if (account && announcement?.events.includes(recording.status)) {
      const form = recordingForm(recording);
      this.callbacks.tell(recording, { url: announcement.url, form, authToken: account.authToken }, true);
    }
    return recording;
  }

  of(accountSid: string): Recording[] {
    return this.#all.filter((recording) => recording.accountSid === accountSid);
  }

  find(accountSid: string, sid: string): Recording | undefined {
    return this.#all.find((recording) => recording.sid === sid && recording.accountSid === accountSid);
  }

  remove(recording: Recording): void {
    recording.status = 'deleted';
    recording.updatedAt = Date.now();
  }

  clear(): void {
    this.#all = [];
  }
}

/** Twilio's form of its address: without an extension it is a WAV. */
export const recordingUrl = ({ accountSid, sid }: Recording): string =>
  `https://api.twilio.com/${API_VERSION}/Accounts/${accountSid}/Recordings/${sid}`;

/** Source: https://www.twilio.com/docs/voice/api/recording#recording-status-callback */
function recordingForm(recording: Recording): Record<string, string> {
  return {
    AccountSid: recording.accountSid,
    ...(recording.callSid === null ? {} : { CallSid: recording.callSid }),
    ...(recording.conferenceSid === null ? {} : { ConferenceSid: recording.conferenceSid }),
    RecordingSid: recording.sid,
    RecordingUrl: recordingUrl(recording),
    RecordingStatus: recording.status,
    RecordingDuration: String(Math.round(recording.seconds)),
    RecordingChannels: String(recording.channels),
    RecordingSource: recording.source,
    RecordingStartTime: rfc2822(recording.createdAt),
    RecordingTrack: 'both',
    ErrorCode: '0',
  };
}

/** A WAV of that length that holds silence. */
export function soundOf(recording: Recording): Buffer {
  const data = Math.round(recording.seconds * RATE) * recording.channels;
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(recording.channels, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * recording.channels, 28);
  header.writeUInt16LE(recording.channels, 32);
  header.writeUInt16LE(8, 34);
  header.write('data', 36);
  header.writeUInt32LE(data, 40);
  return Buffer.concat([header, Buffer.alloc(data, 0x80)]);
}
