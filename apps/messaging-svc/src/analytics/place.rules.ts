import { getCountryCallingCode, type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/min';
import { countryOfNumber } from '@signalbox/twilio';
import { carriers } from './carriers.data.ts';

/** Where numbers that begin alike belong; empty where it cannot be told. */
export interface Place {
  /** ISO 3166 */
  readonly country: string;
  /** `+`, country code, and so many digits of the national number. */
  readonly prefix: string;
  /**
   * The carrier the numbers were given to. Ported numbers have moved since, and the US and Canada are not listed; a look-up at
   * the provider would say more, per number and for money, and would take this function's place when deltas are folded.
   */
  readonly carrier: string;
}

const nowhere: Place = { country: '', prefix: '', carrier: '' };

const carrierByPrefix: ReadonlyMap<string, string> = new Map(
  carriers.flatMap(([carrier, prefixes]) => prefixes.split(' ').map((prefix) => [prefix, carrier] as const)),
);
const longestPrefix = Math.max(...[...carrierByPrefix.keys()].map((prefix) => prefix.length));

/**
 * @param digits a number in E.164 without its last four digits; they never decide
 * @param prefixDigits how many digits of the national number belong to the prefix
 */
export function placeOf(digits: string, prefixDigits: number): Place {
  if (digits === '') return nowhere;
  const number = `${digits}0000`;
  const country = countryOfNumber(number);
  const callingCode = country
    ? getCountryCallingCode(country as CountryCode)
    : (parsePhoneNumberFromString(number)?.countryCallingCode ?? '');
  return {
    country: country ?? '',
    prefix: digits.slice(0, 1 + callingCode.length + prefixDigits),
    carrier: carrierOf(digits.slice(1)),
  };
}

function carrierOf(digits: string): string {
  for (let length = Math.min(digits.length, longestPrefix); length > 0; length--) {
    const carrier = carrierByPrefix.get(digits.slice(0, length));
    if (carrier !== undefined) return carrier;
  }
  return '';
}

/** `placeOf`, which costs some microseconds, remembered for the beginnings that come again and again. */
export function placeBook(prefixDigits: number): (digits: string) => Place {
  const known = new Map<string, Place>();
  return (digits) => {
    const place = known.get(digits) ?? placeOf(digits, prefixDigits);
    if (known.size >= 50_000) known.clear();
    known.set(digits, place);
    return place;
  };
}
