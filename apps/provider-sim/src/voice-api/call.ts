import { Ledger } from '../ledger.ts';
import type { ScriptStep } from './script.ts';

export type CallStatus =
  'queued' | 'initiated' | 'ringing' | 'in-progress' | 'completed' | 'busy' | 'no-answer' | 'failed' | 'canceled';

export const finalStatuses: ReadonlySet<CallStatus> = new Set(['completed', 'busy', 'no-answer', 'failed', 'canceled']);

export type CallEvent = 'initiated' | 'ringing' | 'answered' | 'completed';

/** Where TwiML comes from. */
export type DocumentSource = { readonly url: string } | { readonly twiml: string };

/** What was heard, pressed, said or happened, in the call's own time. */
export interface TranscriptLine {
  /** Seconds since the call was answered. */
  readonly at: number;
  readonly heard?: string;
  readonly pressed?: string;
  readonly said?: string;
  readonly event?: string;
}

export interface CallError {
  readonly code: number;
  readonly url: string | null;
  readonly detail: string;
}

/** A document that was asked for, by each request. */
export interface FetchedDocument {
  readonly url: string;
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  readonly ms: number;
  /** A copy of a request made before, by the fault plan. */
  readonly duplicate: boolean;
  readonly body: string;
}

export interface CallSettings {
  readonly source: DocumentSource;
  readonly fallbackUrl: string | null;
  /** As the caller gave it, connection overrides included. */
  readonly statusCallback: string | null;
  readonly statusCallbackEvents: readonly CallEvent[];
  /** Seconds it may ring. */
  readonly ringSeconds: number;
  /** Seconds it may last. */
  readonly timeLimit: number;
  readonly machineDetection: 'off' | 'Enable' | 'DetectMessageEnd';
  readonly asyncAmdCallback: string | null;
  readonly record: boolean;
  readonly recordingStatusCallback: string | null;
  readonly script: readonly ScriptStep[];
}

export interface Call {
  readonly sid: string;
  readonly accountSid: string;
  readonly direction: 'inbound' | 'outbound-api' | 'outbound-dial';
  readonly to: string;
  readonly from: string;
  readonly parentCallSid: string | null;
  readonly settings: CallSettings;
  status: CallStatus;
  answeredBy: string | null;
  sipResponseCode: number | null;
  /** Epoch milliseconds, as all times here. */
  readonly createdAt: number;
  updatedAt: number;
  /** When it began to be dialled. */
  startedAt: number | null;
  endedAt: number | null;
  /** Seconds since it was answered, in the call's own time. */
  seconds: number;
  /** Known some time after the end, as with Twilio. */
  priced: boolean;
  /** Of the next status callback. */
  nextSequence: number;
  readonly transcript: TranscriptLine[];
  readonly errors: CallError[];
  readonly documents: FetchedDocument[];
  /** Gone for the REST API, but it was accepted: the ground truth keeps it. */
  deleted: boolean;
}

export class CallLedger extends Ledger<Call> {}

/** Everything that was said to whoever is on the phone. */
export const heardText = (call: Call): string =>
  call.transcript
    .map(({ heard }) => heard)
    .filter((heard) => heard !== undefined)
    .join('\n');
