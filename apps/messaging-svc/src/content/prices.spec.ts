import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { priceOf } from './price.rules.ts';
import { loadPrices } from './prices.ts';

describe('the price file', () => {
  let folder: string;
  beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'prices-'))));
  afterAll(() => rm(folder, { recursive: true }));

  const load = async (text: string) => {
    const file = join(folder, 'prices.yaml');
    await writeFile(file, text);
    return loadPrices(file);
  };

  it('is optional', async () => expect(await loadPrices(undefined)).toBeNull());

  it('is documented by an example that can be read', async () => {
    const table = await loadPrices(join(import.meta.dirname, '../../../../config/prices.example.yaml'));
    expect(priceOf(table, 'sms', '+447700900123', 2)).toEqual({ amount: '0.0926', currency: 'USD' });
  });

  it.each([
    ['no file at all', undefined, 'cannot be read'],
    ['a number for a price', 'price: 0.0079', 'prices.0.price'],
    ['a price with too many digits', "price: '0.00000001'", 'prices.0.price'],
    ['a prefix without its plus', "prefix: '1'", 'prices.0.prefix'],
    ['another currency', 'currency: usd', 'currency'],
    ['a field nobody knows', 'perSegment: 1', 'prices.0'],
  ])('%s is a fault that is named', async (_label, change, named) => {
    const row = { channel: 'sms', prefix: "'+1'", price: "'0.0079'", ...(change && field(change)) };
    const { currency = 'USD', ...rest } = row as Record<string, string>;
    const fields = Object.entries(rest).map(([name, value]) => `${name}: ${value}`);
    const text = `version: 1\ncurrency: ${currency}\nprices:\n  - { ${fields.join(', ')} }\n`;
    const read = change === undefined ? loadPrices(join(folder, 'none.yaml')) : load(text);
    await expect(read).rejects.toThrow(named);
  });

  it('has each destination once', async () => {
    const row = "  - { channel: sms, prefix: '+1', price: '1' }\n";
    await expect(load(`version: 1\ncurrency: USD\nprices:\n${row}${row}`)).rejects.toThrow('sms +1 is there twice');
  });

  const field = (text: string) => Object.fromEntries([text.split(': ') as [string, string]]);
});
