import { createHmac, randomBytes, randomUUID } from 'node:crypto';

export interface SignedCallback {
  readonly method: 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const form = 'application/x-www-form-urlencoded';

/** Status callbacks as Twilio sends them, each of a message of its own. */
export function signedCallbacks(count: number, base: string, accountSid: string, token: string): SignedCallback[] {
  return Array.from({ length: count }, () => {
    const sid = `SM${randomBytes(16).toString('hex')}`;
    const path = `/twilio/sms/status?messageId=${randomUUID()}&traceparent=00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
    const params: Record<string, string> = {
      AccountSid: accountSid,
      ApiVersion: '2010-04-01',
      From: '+14155550100',
      MessageSid: sid,
      MessageStatus: 'delivered',
      MessagingServiceSid: 'MG00000000000000000000000000000001',
      RawDlrDoneDate: '2611241801',
      SmsSid: sid,
      SmsStatus: 'delivered',
      To: '+14155550199',
    };
    const text = Object.keys(params)
      .sort()
      .reduce((signed, name) => signed + name + (params[name] ?? ''), base + path);
    const signature = createHmac('sha1', token).update(text).digest('base64');
    return {
      method: 'POST',
      path,
      headers: { 'content-type': form, 'x-twilio-signature': signature },
      body: new URLSearchParams(params).toString(),
    };
  });
}
