/** Twilio's documented test inputs: the recipient or the sender decides the error. They hold for every account here. */
const magicRecipients = new Map([
  ['+15005550001', 21211],
  ['+15005550002', 21612],
  ['+15005550003', 21408],
  ['+15005550004', 21610],
  ['+15005550009', 21614],
]);

const magicSenders = new Map([
  ['+15005550001', 21212],
  ['+15005550007', 21606],
  ['+15005550008', 21611],
]);

export const magicRecipientError = (number: string): number | undefined => magicRecipients.get(number);
export const magicSenderError = (number: string): number | undefined => magicSenders.get(number);
