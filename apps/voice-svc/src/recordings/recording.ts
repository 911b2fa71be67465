import {
  type CloudEvent,
  type RecordingChanged,
  type RecordingState,
  topics,
  type TwilioRecordingStatus,
} from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { text, whole } from '../facts/facts.rules.ts';

/** A recording as the database has it; times are ISO 8601 UTC. */
export interface Recording {
  readonly recordingSid: string;
  readonly tenant: string;
  readonly callId: string | null;
  readonly callSid: string | null;
  readonly conferenceSid: string | null;
  readonly state: RecordingState;
  readonly sequence: number;
  readonly source: string | null;
  readonly channels: number | null;
  readonly durationSeconds: number | null;
  readonly price: string | null;
  readonly currency: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** By the tenant's retention, or because somebody wants it gone; null: kept until then. */
  readonly deleteAt: string | null;
  readonly deletedAt: string | null;
  /** When the provider was asked for it afterwards and had it no more. */
  readonly provenAt: string | null;
  readonly proofStatus: number | null;
  /** Whose it is was erased: once it is gone it no longer says which call it was of. */
  readonly erased: boolean;
}

export interface RecordingStep {
  readonly before: Recording | null;
  readonly recording: Recording;
  /** What is to be told of it; undefined when nothing changed that anybody wants to know. */
  readonly event?: OutgoingEvent;
}

const progress: Record<RecordingState, number> = { 'in-progress': 0, completed: 1, absent: 1, failed: 1, deleted: 2 };
const isState = (status: string): status is RecordingState => Object.hasOwn(progress, status);

/**
 * Applies a callback: forward only. Undefined when it says nothing new.
 *
 * @param keepMs how long the tenant keeps recordings; null: for ever
 */
export function advance(
  before: Recording | null,
  data: TwilioRecordingStatus,
  callId: string | null,
  keepMs: number | null,
): RecordingStep | undefined {
  const state = data.status;
  if (!isState(state) || state === 'deleted') return undefined;
  if (before && progress[state] <= progress[before.state]) return undefined;
  const { params, receivedAt: at } = data;
  const begun = before?.createdAt ?? at;
  const recording: Recording = {
    recordingSid: data.resourceSid,
    tenant: data.tenant,
    callId: before?.callId ?? callId,
    callSid: data.callSid,
    conferenceSid: text(params['ConferenceSid']),
    state,
    sequence: (before?.sequence ?? 0) + 1,
    source: text(params['RecordingSource']),
    channels: whole(params['RecordingChannels']),
    durationSeconds: whole(params['RecordingDuration']),
    price: null,
    currency: null,
    createdAt: begun,
    updatedAt: at,
    // Also one without sound is something the provider keeps. What somebody wants gone sooner stays so.
    deleteAt: earlier(before?.deleteAt ?? null, keepMs === null ? null : iso(Date.parse(begun) + keepMs)),
    deletedAt: null,
    provenAt: null,
    proofStatus: null,
    erased: before?.erased ?? false,
  };
  return { before, recording, event: changed(recording, before?.state ?? null, at) };
}

const iso = (ms: number) => new Date(ms).toISOString();

function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}

/** It is gone: deleted, asked for again, and not there. */
export function proven(before: Recording, fetchStatus: number, now: Date): RecordingStep {
  const at = now.toISOString();
  const recording: Recording = {
    ...before,
    state: 'deleted',
    sequence: before.sequence + 1,
    deletedAt: before.deletedAt ?? at,
    provenAt: at,
    proofStatus: fetchStatus,
    updatedAt: at,
  };
  const left = before.erased
    ? { ...recording, callId: null, callSid: null, conferenceSid: null, source: null }
    : recording;
  return { before, recording: left, event: changed(recording, before.state, at) };
}

/** The provider has told what it costs. */
export function priced(before: Recording, price: string, currency: string, now: Date): RecordingStep {
  const at = now.toISOString();
  const recording = { ...before, price, currency, sequence: before.sequence + 1, updatedAt: at };
  return { before, recording, event: changed(recording, before.state, at) };
}

function changed(recording: Recording, previousState: RecordingState | null, at: string): OutgoingEvent {
  const data: RecordingChanged = {
    tenant: recording.tenant,
    recordingId: recording.recordingSid,
    callId: recording.callId,
    callSid: recording.callSid,
    conferenceSid: recording.conferenceSid,
    state: recording.state,
    previousState,
    sequence: recording.sequence,
    at,
    durationSeconds: recording.durationSeconds,
    channels: recording.channels,
    source: recording.source,
    deleteAt: recording.deleteAt,
    price: recording.price,
    currency: recording.currency,
    proof:
      recording.provenAt === null || recording.proofStatus === null
        ? null
        : { fetchStatus: recording.proofStatus, at: recording.provenAt },
  };
  const event: CloudEvent = {
    // Another tenant may have named the same SID: consumers skip an id that they have seen.
    id: `${recording.tenant}/${recording.recordingSid}.${recording.sequence}`,
    source: '//signalbox/voice-svc',
    type: 'voice.recording.changed.v1',
    time: at,
    subject: recording.recordingSid,
    data,
  };
  return { topic: topics.voiceEvents.name, key: eventKeyOf(recording), event };
}

/** With the events of its call, where it has one. */
export function eventKeyOf(
  recording: Pick<Recording, 'callId' | 'callSid' | 'conferenceSid' | 'recordingSid'>,
): string {
  return recording.callId ?? recording.callSid ?? recording.conferenceSid ?? recording.recordingSid;
}
