import type { Failure, MessageChannel, SendCommand } from '@signalbox/contracts';
import { mediaFault } from './media.rules.ts';
import { isAbove, type Money, priceOf, type PriceTable } from './price.rules.ts';
import { type Encoding, segment, smartEncode } from './segments.rules.ts';

/** What is known of a message's size and price before it is sent. */
export interface Estimate {
  /** Null where there are none: other channels than SMS, and templates, whose text the provider has. */
  readonly encoding: Encoding | null;
  readonly segments: number | null;
  readonly price: Money | null;
}

export const noEstimate: Estimate = { encoding: null, segments: null, price: null };

export interface ContentContext {
  readonly prices: PriceTable | null;
  /** The tenant's messaging is set up to have look-alikes replaced. */
  readonly smartEncoding: boolean;
  readonly allowPrivateMedia: boolean;
}

type Content = Pick<SendCommand, 'body' | 'mediaUrls' | 'contentSid' | 'maxPrice' | 'maxSegments'>;

/** It is the media that make a message an MMS, whatever the request calls it. */
export function channelOf(command: Pick<SendCommand, 'channel' | 'mediaUrls' | 'contentSid'>): MessageChannel {
  if (command.channel === 'sms' && command.mediaUrls.length > 0) return 'mms';
  if (command.channel === 'mms' && command.mediaUrls.length === 0 && !command.contentSid) return 'sms';
  return command.channel;
}

export function estimate(channel: MessageChannel, to: string, content: Content, context: ContentContext): Estimate {
  if (channel !== 'sms') return { ...noEstimate, price: priceOf(context.prices, channel, to, 1) };
  if (content.contentSid) return noEstimate;
  const text = content.body ?? '';
  const { encoding, segments } = segment(context.smartEncoding ? smartEncode(text) : text);
  const price = priceOf(context.prices, channel, to, segments.length);
  return { encoding, segments: segments.length, price };
}

/** What of the content, its size or its price stands against sending it. */
export function contentFault(
  channel: MessageChannel,
  content: Content,
  { segments, price }: Estimate,
  context: Pick<ContentContext, 'allowPrivateMedia'>,
): Failure | undefined {
  if (!context.allowPrivateMedia) {
    for (const url of content.mediaUrls) {
      const fault = mediaFault(url);
      if (fault !== undefined) return unreachableMedia(content.mediaUrls.indexOf(url), fault);
    }
  }
  if (content.maxSegments && channel === 'sms') {
    if (segments === null) return unknownSegments;
    if (segments > content.maxSegments) return tooManySegments(segments, content.maxSegments);
  }
  if (content.maxPrice) {
    if (price === null) return unknownPrice;
    if (isAbove(price.amount, content.maxPrice)) return tooExpensive(price, content.maxPrice);
  }
  return undefined;
}

function unreachableMedia(index: number, fault: string): Failure {
  return {
    code: 'media_not_reachable',
    class: 'configuration',
    title: `The URL mediaUrls[${index}] ${fault}`,
    remedy: 'Give https URLs that the provider can fetch from the internet',
  };
}

function tooManySegments(segments: number, limit: number): Failure {
  return {
    code: 'over_max_segments',
    class: 'terminal',
    title: `The text takes ${segments} segments, maxSegments is ${limit}`,
    remedy: 'Shorten the text, keep to the GSM-7 alphabet, or raise maxSegments',
  };
}

const unknownSegments: Failure = {
  code: 'segments_unknown',
  class: 'configuration',
  title: 'maxSegments is asked for, and the text of a content template is not known here',
  remedy: 'Leave maxSegments out for templates',
};

function tooExpensive({ amount, currency }: Money, limit: string): Failure {
  return {
    code: 'over_max_price',
    class: 'terminal',
    title: `The message would cost about ${amount} ${currency}, maxPrice is ${limit}`,
    remedy: 'Shorten the text, or raise maxPrice',
  };
}

const unknownPrice: Failure = {
  code: 'price_unknown',
  class: 'configuration',
  title: 'maxPrice is asked for, and no price is known for this message',
  remedy: 'Add the destination to the price table (PRICES_FILE); the price of an SMS template is never known',
};
