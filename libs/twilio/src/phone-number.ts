import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/min';

export type PhoneNumberFault = 'not_international' | 'impossible' | 'wrong_channel';
export type PhoneNumberResult =
  { readonly ok: true; readonly e164: string } | { readonly ok: false; readonly reason: PhoneNumberFault };

const whatsapp = 'whatsapp:';
const written = /^\+[\d\s().\-/]+$/;

/**
 * Normalises a recipient to E.164, for WhatsApp with its `whatsapp:` prefix. A possible length is enough: whether the
 * number exists is the provider's to say, and fictional and test numbers (+1 415 555 0199, +1 500 555 0006) must pass.
 * @param channel `whatsapp` adds the prefix when it is not there; any other refuses it
 */
export function toE164(raw: string, channel: 'sms' | 'mms' | 'whatsapp' | 'voice' = 'sms'): PhoneNumberResult {
  const trimmed = raw.trim();
  const prefixed = trimmed.startsWith(whatsapp);
  if (prefixed && channel !== 'whatsapp') return { ok: false, reason: 'wrong_channel' };
  const digits = prefixed ? trimmed.slice(whatsapp.length) : trimmed;
  if (!written.test(digits)) return { ok: false, reason: 'not_international' };
  const number = parsePhoneNumberFromString(digits);
  if (!number?.isPossible() || number.ext) return { ok: false, reason: 'impossible' };
  return { ok: true, e164: channel === 'whatsapp' ? whatsapp + number.number : number.number };
}

/**
 * The country whose plan a number belongs to, ISO 3166; undefined for numbers of no country. Where countries share a
 * code and the number does not tell, the first of them: +44 of Guernsey counts as GB.
 */
export function countryOfNumber(address: string): string | undefined {
  const number = parsePhoneNumberFromString(address.replace(/^whatsapp:/, ''));
  return (
    number?.country ??
    (number && getCountries().find((country) => getCountryCallingCode(country) === number.countryCallingCode))
  );
}

/** The calling code of a number, `44` of `+447911123456`; undefined when no country's plan begins so. */
export function callingCodeOf(number: string): string | undefined {
  return parsePhoneNumberFromString(number)?.countryCallingCode;
}
