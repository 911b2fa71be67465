import type { SsmlPart } from './ssml.rules.ts';

/** What a document tells Twilio to do, as data: what is made of it is a matter of rendering. */

export type Heard =
  | {
      readonly verb: 'say';
      readonly parts: readonly SsmlPart[];
      readonly voice?: string | undefined;
      readonly language?: string | undefined;
    }
  | { readonly verb: 'play'; readonly url: string; readonly loop: number }
  | { readonly verb: 'pause'; readonly seconds: number };

export interface Gather {
  readonly verb: 'gather';
  readonly input: readonly ('dtmf' | 'speech')[];
  readonly timeout: number;
  readonly speechTimeout?: number | undefined;
  readonly numDigits?: number | undefined;
  /** Empty: no key ends the input. */
  readonly finishOnKey: string;
  readonly hints: readonly string[];
  readonly speechLanguage?: string | undefined;
  readonly bargeIn: boolean;
  readonly prompts: readonly Heard[];
}

export interface Dial {
  readonly verb: 'dial';
  readonly targets: readonly (
    { readonly number: string } | { readonly sip: string } | { readonly client: string } | { readonly queue: string }
  )[];
  readonly callerId?: string | undefined;
  readonly timeout: number;
  readonly timeLimit?: number | undefined;
  readonly record: boolean;
  /** The caller taken from a queue is told something first. */
  readonly announces?: boolean;
}

export type Verb =
  | Heard
  | Gather
  | Dial
  | { readonly verb: 'enqueue'; readonly queue: string; readonly maxSize: number }
  | {
      readonly verb: 'conference';
      readonly room: string;
      readonly moderator: boolean;
      readonly muted: boolean;
      readonly beep: boolean;
      readonly music?: string | undefined;
      readonly maxParticipants: number;
      readonly record: boolean;
    }
  | {
      readonly verb: 'record';
      readonly maxLength: number;
      readonly timeout: number;
      readonly finishOnKey: string;
      readonly beep: boolean;
      readonly transcribe: boolean;
    }
  /** Back to the flow without input: reached only when the verb before it was not answered. */
  | { readonly verb: 'continue' }
  /** To a number, and nothing comes after. */
  | { readonly verb: 'transfer'; readonly number: string }
  | { readonly verb: 'leave' }
  | { readonly verb: 'hangup' };

/** What happened in a call, for its events. */
export interface Mark {
  readonly kind:
    | 'started'
    | 'consented'
    | 'declined'
    | 'dialed'
    | 'dial-ended'
    | 'queued'
    | 'dequeued'
    | 'agent-waiting'
    | 'agent-served'
    | 'conference-joined'
    | 'conference-left'
    | 'recorded'
    | 'sms-sent'
    | 'sms-impossible'
    | 'ended';
  readonly node: string;
  readonly detail: Readonly<Record<string, string | number | null>>;
}

export interface SmsEffect {
  readonly node: string;
  readonly to: string;
  readonly from?: string | undefined;
  readonly messagingService?: string | undefined;
  readonly body: string;
  readonly lane: 'critical' | 'transactional' | 'bulk';
}

/** A question to a tenant's own server; the walk goes on with its answer. */
export interface HttpQuestion {
  readonly node: string;
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly body?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** The JSON of a 2xx answer; anything else is a failure. */
export type HttpAnswer = { readonly ok: true; readonly json: unknown } | { readonly ok: false };
