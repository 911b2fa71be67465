import {
  type AboutBlock,
  fansOutOfAddress,
  fansOutOfSubject,
  type Sign,
  signsOfBlock,
  type Start,
  type Traffic,
  trafficOf,
} from './guard.rules.ts';

/** Why no code is sent; a word for metrics and for the story of the verification. */
export type Refusal = 'country_not_allowed' | 'prefix_blocked' | 'pumping' | 'address_fan_out' | 'subject_fan_out';

/** What a start is judged by. */
export interface Case extends AboutBlock {
  readonly number: string;
  /** Starts of the same thousand numbers, one per number, the latest first. */
  readonly block: readonly Start[];
  /** An administrator has freed the prefix. */
  readonly isFreed: boolean;
  /** What came from the address, and for the subject; undefined where none was given. */
  readonly network: Traffic | undefined;
  readonly subject: Traffic | undefined;
}

export interface Finding {
  readonly reason: Refusal;
  /** Why the thousand numbers are to be blocked; empty where only this one start is refused. */
  readonly signs: readonly Sign[];
  /** Of the thousand numbers. */
  readonly traffic: Traffic;
}

/** Undefined where nothing speaks against sending. */
export function judge({ number, block, isFreed, network, subject, ...about }: Case): Finding | undefined {
  const traffic = trafficOf(block);
  const signs = isFreed ? [] : signsOfBlock(number, block, about);
  if (signs.length > 0) return { reason: 'pumping', signs, traffic };
  if (subject && fansOutOfSubject(subject)) return { reason: 'subject_fan_out', signs, traffic };
  if (network && fansOutOfAddress(network)) return { reason: 'address_fan_out', signs, traffic };
  return undefined;
}

/** A start that is refused for what is known before it is judged. */
export function refusedFor(reason: 'country_not_allowed' | 'prefix_blocked'): Finding {
  return { reason, signs: [], traffic: trafficOf([]) };
}
