import type { CloudEvent } from '@signalbox/contracts';
import type { FlowState } from '../flow/session.state.ts';

/** One document that a call was given, and where that has brought it. */
export interface Step {
  readonly callSid: string;
  readonly tenant: string;
  readonly callId: string | null;
  readonly flow: string;
  readonly version: number;
  readonly state: FlowState;
  /** Of the request: tells a repeat from another request for the same step. */
  readonly digest: Buffer;
  readonly document: string;
  /** The queue or conference the call is in from now on. */
  readonly queue: string | null;
  readonly conference: string | null;
  readonly at: string;
  readonly events: readonly StepEvent[];
}

export interface StepEvent {
  readonly topic: string;
  readonly key: string;
  readonly event: CloudEvent;
}

/**
 * Taken, or what was answered when the step was taken before, by the same request (repeated) or by another one (overtaken). `late`:
 * the call has gone on since, and this is what the request by itself leads to.
 */
export interface StepTaken {
  readonly outcome: 'taken' | 'repeated' | 'overtaken' | 'late';
  readonly document: string;
}
