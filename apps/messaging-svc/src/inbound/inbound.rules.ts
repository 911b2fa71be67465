import type { MessageReceived, TwilioMessageReceived } from '@signalbox/contracts';
import { isExplicit, type Reading, readKeyword } from '../suppression/keywords.rules.ts';
import { listedAddress, type SuppressionKey, type SuppressionRequest } from '../suppression/suppression.rules.ts';

/** A message a person sent, and what it asks of the suppression list. */
export interface Inbound {
  readonly data: MessageReceived;
  /** The service of the sender that was written to. */
  readonly messagingServiceSid: string | null;
  readonly keyword: Reading | undefined;
}

/** Twilio's inbound webhook as ours. Media stay where the provider has them; their URLs need its credentials. */
export function readInbound(inbound: TwilioMessageReceived, messageId: string): Inbound {
  const media = mediaOf(inbound.params);
  const said = single(inbound.params['OptOutType']);
  const keyword = readKeyword({ body: inbound.body, optOutType: said, to: inbound.to });
  return {
    messagingServiceSid: single(inbound.params['MessagingServiceSid']),
    keyword,
    data: {
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
      optOutType: said ?? (keyword && isExplicit(keyword) ? keyword.type : null),
      inReplyTo: null,
    },
  };
}

/** Where a keyword counts: in the service of the sender that was written to, else for that sender. */
export function keywordKey({ data, messagingServiceSid }: Inbound): SuppressionKey {
  return { tenant: data.tenant, ...listedAddress(data.from), scope: messagingServiceSid ?? data.to };
}

/**
 * What the keyword of an inbound message asks for.
 * @param equivalent the scopes in which the person stands opted out that are one with the keyword's; START lifts them all
 */
export function keywordRequests(inbound: Inbound, equivalent: readonly SuppressionKey[]): SuppressionRequest[] {
  const { keyword, data } = inbound;
  if (!keyword || keyword.type === 'HELP') return [];
  const key = keywordKey(inbound);
  const said = { reason: keyword.reason, keyword: keyword.keyword, source: data.providerSid, at: data.at };
  if (keyword.type === 'STOP') return [{ ...key, state: 'opted_out', ...said }];
  const same = equivalent.filter(({ tenant, recipient }) => tenant === key.tenant && recipient === key.recipient);
  const scopes = new Set([key.scope, data.to, ...same.map(({ scope }) => scope)]);
  return [...scopes].map((scope) => ({ ...key, scope, state: 'opted_in', ...said }));
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
