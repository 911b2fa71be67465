import type { VerifyChannel } from '@signalbox/contracts';

/** A code that is about to be sent, as the guard judges it: a start, a resend or a fallback. */
export interface Sending {
  readonly verificationId: string;
  readonly tenant: string;
  readonly channel: VerifyChannel;
  /** E.164 or an email address. */
  readonly to: string;
  /** Keyed hash of tenant and recipient: for comparison and storage, where `to` itself is not needed. */
  readonly recipientHash: string;
  readonly subject: string | null;
  readonly ip: string | null;
  readonly deviceId: string | null;
  /** Sent before for the same verification. */
  readonly earlierSends: number;
}

/** `reason` is a word for metrics and the story of the verification, e.g. `prefix_blocked`; the caller never learns it. */
export type Judgement = { readonly allow: true } | { readonly allow: false; readonly reason: string };

/** What became of what was sent, for the guard to learn from. */
export interface Outcome {
  readonly verificationId: string;
  readonly tenant: string;
  readonly channel: VerifyChannel;
  readonly to: string;
  readonly recipientHash: string;
  /**
   * `sent`: the provider took it; `refused`: it did not, with its error code (60410: its own fraud guard); `approved`: the
   * right code came back; `unanswered`: it ended without (expired, denied, canceled, failed). The last two come once at most.
   */
  readonly kind: 'sent' | 'refused' | 'approved' | 'unanswered';
  readonly errorCode: number | string | null;
  readonly at: Date;
}
