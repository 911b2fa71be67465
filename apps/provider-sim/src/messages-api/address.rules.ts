export type Channel = 'sms' | 'whatsapp';

const WHATSAPP = 'whatsapp:';

export const channelOf = (address: string): Channel => (address.startsWith(WHATSAPP) ? 'whatsapp' : 'sms');

/** `whatsapp:+14155550199` → `+14155550199`; anything else as it is. */
export const numberOf = (address: string): string =>
  address.startsWith(WHATSAPP) ? address.slice(WHATSAPP.length) : address;

/** E.164 by form: the numbering plan of +1 is checked for its length, ranges are not (555 numbers pass). */
export const isE164 = (number: string): boolean => /^\+(?:1\d{10}|[2-9]\d{6,14})$/.test(number);

/** E.164, a short code, or an alphanumeric sender id. */
export const isSenderForm = (sender: string): boolean =>
  isE164(sender) || /^\d{3,8}$/.test(sender) || (/^[A-Za-z0-9 ]{1,11}$/.test(sender) && /[A-Za-z]/.test(sender));

/** `address` in the channel of `like`: a pool number answers a WhatsApp recipient as a WhatsApp sender. */
export const inChannelOf = (like: string, address: string): string =>
  channelOf(like) === 'whatsapp' ? WHATSAPP + numberOf(address) : numberOf(address);
