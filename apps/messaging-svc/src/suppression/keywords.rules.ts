import type { SuppressionReason } from '@signalbox/contracts';

export type OptOutType = 'STOP' | 'START' | 'HELP';

/**
 * The words the provider acts on of its own accord, per language of the person. What a tenant adds or translates in
 * Advanced Opt-Out does not stand here: it arrives as `OptOutType`.
 * Sources: Twilio help 223134027 and advanced-opt-out (REVOKE and OPTOUT since 2025), proxy/opt-out-keywords for French.
 */
const words: Readonly<Record<string, Partial<Record<OptOutType, readonly string[]>>>> = {
  english: {
    STOP: ['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'REVOKE', 'OPTOUT'],
    START: ['START', 'YES', 'UNSTOP'],
    HELP: ['HELP', 'INFO'],
  },
  french: { STOP: ['ARRET', 'ARRETE', 'ARRETT'] },
};

const types = new Map(
  Object.values(words).flatMap((language) =>
    (Object.keys(language) as OptOutType[]).flatMap((type) =>
      (language[type] ?? []).map((keyword) => [fold(keyword), { type, keyword }] as const),
    ),
  ),
);

export interface Reading {
  readonly type: OptOutType;
  /** Why the suppression list changes, should it. */
  readonly reason: Extract<SuppressionReason, 'stop_keyword' | 'advanced_opt_out'>;
  /** The word of the table that was written; null for others, which Advanced Opt-Out may know. */
  readonly keyword: string | null;
}

/**
 * What an inbound message asks for. The whole text has to be the one word, in any case, white space around it aside, as
 * the provider has it: `STOP PLEASE`, `stop.` and `"STOP"` are not keywords there, so they are none here, or the two
 * lists would part. What `OptOutType` says counts above the text.
 */
export function readKeyword(inbound: {
  readonly body: string | null;
  readonly optOutType: string | null;
  /** Address of ours that was written to. */
  readonly to: string;
}): Reading | undefined {
  const word = types.get(fold(inbound.body ?? ''));
  const said = inbound.optOutType?.toUpperCase();
  if (said === 'STOP' || said === 'START' || said === 'HELP') {
    return { type: said, reason: 'advanced_opt_out', keyword: word?.keyword ?? null };
  }
  if (!word || (word.keyword === yes && !takesYesForStart(inbound.to))) return undefined;
  return { ...word, reason: 'stop_keyword' };
}

/** A YES may just answer a question, so it is no request for products to see. */
export function isExplicit({ keyword }: Reading): boolean {
  return keyword !== yes;
}

/** US and Canadian numbers whose opt-outs the network keeps itself. Source: NANPA, toll-free codes in use. */
export function isTollFree(sender: string): boolean {
  return /^\+18(00|33|44|55|66|77|88)\d{7}$/.test(sender);
}

/** The toll-free network knows START and UNSTOP only, and on WhatsApp there is no filter a YES would have to agree with. */
function takesYesForStart(to: string): boolean {
  return !isTollFree(to) && !to.startsWith('whatsapp:');
}

const yes = 'YES';

/** Lower case: upper-casing turns `ſtop`, `ﬆop` and `ınfo` into keywords. */
function fold(text: string): string {
  return text.trim().toLowerCase();
}
