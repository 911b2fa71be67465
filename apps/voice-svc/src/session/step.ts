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

/** `again`: the step was taken before, by the same request or by another one; the document is what was answered then. */
export interface StepTaken {
  readonly outcome: 'taken' | 'repeated' | 'overtaken';
  readonly document: string;
}
