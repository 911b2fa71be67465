import type { Level } from './prefix.rules.ts';

/**
 * Who verifies, converts: most of those who ask for a code type it in. Pumping does not, because nobody is there. So every
 * prefix, address and subject has an allowance of verifications without an approval, which its approvals widen; what goes
 * beyond is held to be pumping. Where one in three is approved the allowance is never used up.
 */

/** Verifications of a prefix, an address or a subject within the window. */
export interface Traffic {
  readonly started: number;
  readonly approved: number;
}

/** One number of a block, as last started. */
export interface Start {
  readonly number: string;
  readonly approved: boolean;
}

/**
 * `sequential`: neighbouring numbers; `crowded`: too many of one block of a thousand; `provider`: it refused some as fraud;
 * `unconverted`: too many of a wider prefix; `sudden`: which besides has far more traffic than it used to.
 */
export type Sign = 'sequential' | 'crowded' | 'provider' | 'unconverted' | 'sudden';

/** Unapproved verifications that one approval makes up for. */
const perApproval = 2;

/**
 * What a prefix may have outstanding before it has shown anything: wider ones have more people typing at a time. Of those wider
 * than a block it gets smaller with the blocks under it that are known to be pumped, and is half at `halfAt` of them.
 */
const allowances: Readonly<Record<Level, { readonly outstanding: number; readonly halfAt: number }>> = {
  block: { outstanding: 24, halfAt: Infinity },
  ten_thousand: { outstanding: 40, halfAt: 2 },
  hundred_thousand: { outstanding: 60, halfAt: 3 },
  area: { outstanding: 200, halfAt: 5 },
  country: { outstanding: 500, halfAt: 10 },
};

/** Of a block where the tenant has senders. */
const allowanceOfBlockAtHome = 44;
/** What is left of it at least, when the blocks beside it have used it up: a run goes on from one to the next. */
const allowanceBesideOthers = 4;

/** Of a run of neighbouring numbers. */
const allowanceOfRun = 11;
/** So many of the latest unapproved numbers are a run when they lie within so many neighbours. */
const run = { numbers: 12, span: 40 };

/** Of one network address: behind it can be an office, or the many of a mobile network. */
const allowanceOfAddress = 20;
/** Of one user of the tenant's. */
const allowanceOfSubject = 5;

/** So many refusals of the provider as fraud can be no mistake. */
const minRefusedByProvider = 3;

/**
 * Where the tenant has senders of its own, few earn by receiving its messages: wider prefixes have so many times their
 * allowance, a block has more, and neighbouring numbers are no sign.
 */
const timesAtHome = 3;

/** Usual approvals of a window that a sudden rush may use up in advance. */
const usualInAdvance = 5;

/** Share of approvals at which what a block of the guard was made for has proved real. */
const provenShare = 1 / 3;

/** Whether one more start goes beyond what is allowed. */
function exceeds({ started, approved }: Traffic, allowance: number): boolean {
  return started + 1 - approved > allowance + perApproval * approved;
}

/** What else there is to know of a block. */
export interface AboutBlock {
  /** Numbers of it that the provider refused as fraud; they are not among its starts. */
  readonly refusedByProvider: number;
  /** Unapproved numbers of the thousand before it and the thousand behind it. */
  readonly outstandingBeside: number;
  /** The tenant has senders in the country. */
  readonly isHome: boolean;
}

/**
 * Signs of pumping in one block of a thousand numbers, were the number started as well.
 * @param starts one per number, the latest first
 */
export function signsOfBlock(number: string, starts: readonly Start[], about: AboutBlock): Sign[] {
  const others = starts.filter((start) => start.number !== number);
  const known = starts.some((start) => start.number === number);
  const traffic = trafficOf(others);
  const signs: Sign[] = [];
  const { refusedByProvider, outstandingBeside, isHome } = about;
  const own = isHome ? allowanceOfBlockAtHome : allowances.block.outstanding;
  const allowance = Math.max(allowanceBesideOthers, own - outstandingBeside);
  // A number that is started again is no new one.
  if (!known && !isHome && exceeds(traffic, allowanceOfRun) && isRun(number, others)) signs.push('sequential');
  if (!known && exceeds(traffic, allowance)) signs.push('crowded');
  if (refusedByProvider >= minRefusedByProvider) signs.push('provider');
  return signs;
}

function isRun(number: string, others: readonly Start[]): boolean {
  const latest = [number, ...others.filter(({ approved }) => !approved).map((start) => start.number)]
    .slice(0, run.numbers)
    .map((text) => Number(text.slice(-6)));
  return latest.length === run.numbers && Math.max(...latest) - Math.min(...latest) < run.span;
}

export function trafficOf(starts: readonly Pick<Start, 'approved'>[]): Traffic {
  return { started: starts.length, approved: starts.filter(({ approved }) => approved).length };
}

/** Whether an address has started too many numbers that nobody approved. */
export function fansOutOfAddress(traffic: Traffic): boolean {
  return exceeds(traffic, allowanceOfAddress);
}

/** The same of a subject. */
export function fansOutOfSubject(traffic: Traffic): boolean {
  return exceeds(traffic, allowanceOfSubject);
}

/** What the guard knows of a prefix wider than a block. */
export interface Look {
  readonly level: Exclude<Level, 'block'>;
  /** Of late, without what lies under prefixes that are blocked already. */
  readonly recent: Traffic;
  /** What is usual for it in as long a time. */
  readonly usual: Traffic;
  /** Prefixes under it that the guard has blocked: what is not proven there gets less room. */
  readonly blockedBelow: number;
  /** The tenant has senders in the country. */
  readonly isHome: boolean;
}

/** Signs of pumping in a wider prefix. */
export function signsOfPrefix({ level, recent, usual, blockedBelow, isHome }: Look): Sign[] {
  const { outstanding, halfAt } = allowances[level];
  const unproven = (outstanding * (isHome ? timesAtHome : 1)) / (1 + blockedBelow / halfAt);
  const allowance = unproven + usualInAdvance * usual.approved;
  const { started, approved } = recent;
  if (started - approved <= allowance + perApproval * approved) return [];
  return started >= 10 * usual.started ? ['unconverted', 'sudden'] : ['unconverted'];
}

/** Whether so many were approved after all that the guard takes its block back. */
export function isProven({ started, approved }: Traffic): boolean {
  return approved > 0 && approved >= started * provenShare;
}

/** Share that was not approved. */
export function unconvertedShare({ started, approved }: Traffic): number {
  return started <= 0 ? 0 : Math.min(1, Math.max(0, 1 - approved / started));
}
