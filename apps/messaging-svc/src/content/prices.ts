import { readFile } from 'node:fs/promises';
import { decimalString, messageChannel } from '@signalbox/contracts';
import { parse } from 'yaml';
import { z } from 'zod';
import { type PriceTable, priceTable } from './price.rules.ts';

/** To inject the price table; null when there is none. */
export const PRICES = Symbol('prices');

const priceFile = z
  .strictObject({
    version: z.literal(1),
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code, e.g. USD'),
    prices: z
      .array(
        z.strictObject({
          channel: messageChannel,
          prefix: z.string().regex(/^\+\d{0,15}$/, 'must be the beginning of an E.164 number; + fits all'),
          price: decimalString,
        }),
      )
      .min(1),
  })
  .superRefine(({ prices }, context) => {
    const seen = new Set<string>();
    prices.forEach(({ channel, prefix }, index) => {
      const key = `${channel} ${prefix}`;
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: ['prices', index], message: `${key} is there twice` });
      seen.add(key);
    });
  });

export class PriceFileError extends Error {
  override readonly name = 'PriceFileError';
}

/** @throws PriceFileError naming every fault */
export async function loadPrices(file: string | undefined): Promise<PriceTable | null> {
  if (file === undefined) return null;
  let content: unknown;
  try {
    content = parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new PriceFileError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const read = priceFile.safeParse(content);
  if (!read.success) {
    const faults = read.error.issues.map(({ path, message }) => `  - ${path.join('.') || 'file'}: ${message}`);
    throw new PriceFileError(`${file}:\n${faults.join('\n')}`);
  }
  return priceTable(read.data.currency, read.data.prices);
}
