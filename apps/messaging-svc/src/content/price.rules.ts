import type { MessageChannel } from '@signalbox/contracts';

/** Millionths of the currency's unit: what a decimal string of the contract can say. */
type Micros = bigint;

export interface Money {
  /** Decimal string */
  readonly amount: string;
  /** ISO 4217 */
  readonly currency: string;
}

export interface PriceTable {
  readonly currency: string;
  /** By channel and the beginning of the recipient's number; SMS per segment, MMS and WhatsApp per message. */
  readonly prices: ReadonlyMap<MessageChannel, ReadonlyMap<string, Micros>>;
}

export interface PriceRow {
  readonly channel: MessageChannel;
  readonly prefix: string;
  readonly price: string;
}

export function priceTable(currency: string, rows: readonly PriceRow[]): PriceTable {
  const prices = new Map<MessageChannel, Map<string, Micros>>();
  for (const { channel, prefix, price } of rows) {
    const ofChannel = prices.get(channel) ?? new Map<string, Micros>();
    prices.set(channel, ofChannel.set(prefix, toMicros(price)));
  }
  return { currency, prices };
}

/**
 * What a message is expected to cost; null when the table has no price for its recipient.
 * @param units segments of an SMS; 1 for the other channels
 */
export function priceOf(table: PriceTable | null, channel: MessageChannel, to: string, units: number): Money | null {
  const number = to.replace(/^whatsapp:/, '');
  const ofChannel = table?.prices.get(channel);
  if (!table || !ofChannel) return null;
  for (let length = number.length; length > 0; length--) {
    const price = ofChannel.get(number.slice(0, length));
    if (price !== undefined) return { amount: toDecimal(price * BigInt(units)), currency: table.currency };
  }
  return null;
}

export function isAbove(amount: string, limit: string): boolean {
  return toMicros(amount) > toMicros(limit);
}

function toMicros(decimal: string): Micros {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return BigInt(whole + fraction.padEnd(6, '0'));
}

function toDecimal(micros: Micros): string {
  const digits = micros.toString().padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, '');
}
