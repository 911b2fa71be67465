/** What Twilio takes as `Twiml` of a call. Source: https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource */
export const maxTwiml = 4_000;

/** The TwiML that reads a text out. */
export function spoken(text: string): string {
  return `<Response><Say>${escaped(text)}</Say></Response>`;
}

/** XML 1.0 has no place for control characters and lone surrogates, escaped or not. */
function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // eslint-disable-next-line no-control-regex -- they are what is taken out
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ' ')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
  );
}
