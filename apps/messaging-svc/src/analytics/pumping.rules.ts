import type { Failure } from '@signalbox/contracts';

/** What a prefix of a tenant saw lately, and in the seven days before. */
export interface PrefixLook {
  readonly tenant: string;
  readonly prefix: string;
  readonly handedOver: number;
  readonly usualHandedOver: number;
  /** Delivered and failed. */
  readonly volume: number;
  readonly failures: number;
  /** Failures with a code by which the provider or a carrier says fraud. */
  readonly fraudCodes: number;
}

export type Sign = 'sudden' | 'sequential' | 'undelivered' | 'fraud_codes';

/** Two-hour windows in seven days. */
const windowsOfHistory = 84;

/** So few refusals as fraud can be a mistake of the provider. */
const minFraudCodes = 5;

/** Out of nothing, or ten times what is usual: alone no sign of fraud, a campaign looks the same. */
export function isSudden({ handedOver, usualHandedOver }: PrefixLook, minVolume: number): boolean {
  return handedOver >= minVolume && handedOver >= (10 * usualHandedOver) / windowsOfHistory;
}

/** Whether so many of the numbers follow closely on one another as numbers of real people do not. */
export function isSequential(numbers: readonly string[]): boolean {
  const sorted = [...new Set(numbers)].map((number) => Number(number.replace('+', ''))).sort((a, b) => a - b);
  const close = sorted.filter((number, index) => index > 0 && number - (sorted[index - 1] ?? 0) <= 5);
  return sorted.length >= 20 && close.length / sorted.length >= 0.3;
}

/**
 * @param numbers recipients of late; only looked at for a sudden prefix
 * @param isHome the tenant has senders in the country: traffic there pays nobody for receiving it, and a campaign that begins
 *   may well go down a list of neighbouring numbers
 */
export function signsOf(look: PrefixLook, numbers: readonly string[], minVolume: number, isHome: boolean): Sign[] {
  const signs: [Sign, boolean][] = [
    ['sudden', isSudden(look, minVolume)],
    ['sequential', !isHome && isSequential(numbers)],
    ['undelivered', look.volume >= minVolume / 2 && look.failures / look.volume >= 0.6],
    ['fraud_codes', look.fraudCodes >= minFraudCodes],
  ];
  return signs.filter(([, seen]) => seen).map(([sign]) => sign);
}

/** The provider's word is enough; of our own signs it takes the sudden traffic and one more. */
export function looksPumped(signs: readonly Sign[]): boolean {
  const ours = signs.includes('sudden') && (signs.includes('sequential') || signs.includes('undelivered'));
  return signs.includes('fraud_codes') || ours;
}

export const blockedPrefix: Failure = {
  code: 'blocked_prefix',
  class: 'fraud',
  title: 'Bulk messages to this prefix are held back: its traffic looks like SMS pumping',
  remedy: 'Look at who asks for these messages; an administrator lifts the block, or it ends by itself',
};
