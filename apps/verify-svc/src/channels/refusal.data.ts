/**
 * What a refused start says about the other channels. `next`: this channel cannot, another may. `final`: whatever the channel.
 * `later`: nothing is wrong with the channel, Twilio took nothing.
 */
export type RefusalClass = 'next' | 'final' | 'later';

/** By Twilio's error code. Source: Twilio's error dictionary; the numbers without a word of their own say what their line says. */
export const refusals: ReadonlyMap<number, RefusalClass> = new Map([
  // The account's credentials and pace.
  [20003, 'later'], // authentication
  [20005, 'final'], // account suspended
  [20404, 'final'], // the service is not there
  [20429, 'next'], // too many requests at once
  // The recipient.
  [21211, 'next'], // no valid number
  [21608, 'final'], // trial account, recipient not verified
  [21614, 'next'], // no mobile number
  [60006, 'next'], // no valid number, says the carrier
  [60008, 'next'], // carrier not supported
  [60205, 'next'], // landline
  [60600, 'next'], // number not assigned
  // Limits of Verify.
  [60202, 'final'], // too many wrong codes; valid for the recipient until the verification expires
  [60203, 'next'], // five codes sent
  [60212, 'next'], // too many requests for the number at once
  // The channel, or what it needs.
  [60204, 'final'], // custom codes are not enabled
  [60214, 'next'], // no calls under PSD2
  [60217, 'next'], // no email integration
  [60218, 'next'], // email template not active
  [60219, 'next'], // email template without placeholders
  [60220, 'next'], // messages to China not vetted
  [60222, 'next'], // email sender not verified
  [60223, 'next'], // channel switched off
  [60242, 'next'], // no WhatsApp template
  [60245, 'next'], // SendGrid: limit exceeded
  [60331, 'next'], // no voice for the locale
  [60603, 'next'], // SendGrid: no credits
  [60604, 'next'], // SendGrid: no permission
  [63003, 'next'], // not on WhatsApp
  [63024, 'next'], // not to be reached on WhatsApp
  // Fraud and where it is allowed.
  [60238, 'final'], // destination not served
  [60410, 'next'], // Fraud Guard has blocked the prefix for SMS
  [60605, 'next'], // geo permission, per channel
  [60550, 'final'], // none of the channels of Twilio's own `auto`
]);

/** Parameters that are the same on every channel: where one of them is invalid (60200), so it is on the next. */
export const sharedParameters: ReadonlySet<string> = new Set(['CustomCode', 'DeviceIp', 'Tags', 'ServiceSid']);
