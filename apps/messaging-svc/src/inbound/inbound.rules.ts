import type { MessageReceived, TwilioMessageReceived } from '@signalbox/contracts';

/** Twilio's inbound webhook as an event of ours. Media stay where the provider has them; their URLs need its credentials. */
export function toReceived(inbound: TwilioMessageReceived, messageId: string): MessageReceived {
  const media = mediaOf(inbound.params);
  return {
    tenant: inbound.tenant,
    messageId,
    at: inbound.receivedAt,
    channel: inbound.from.startsWith('whatsapp:') ? 'whatsapp' : media.length > 0 ? 'mms' : 'sms',
    from: inbound.from,
    to: inbound.to,
    body: inbound.body,
    media,
    provider: 'twilio',
    providerSid: inbound.resourceSid,
    optOutType: single(inbound.params['OptOutType']),
  };
}

/** Twilio sends at most ten; the number is what was counted, the URLs are what is there. */
function mediaOf(params: TwilioMessageReceived['params']): MessageReceived['media'] {
  const media: MessageReceived['media'] = [];
  for (let index = 0; index < 10; index++) {
    const url = single(params[`MediaUrl${index}`]);
    if (url !== null) media.push({ url, contentType: single(params[`MediaContentType${index}`]) });
  }
  return media;
}

function single(value: string | string[] | undefined): string | null {
  return (Array.isArray(value) ? value[0] : value) || null;
}
