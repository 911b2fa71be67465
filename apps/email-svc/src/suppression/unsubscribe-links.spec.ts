import { describe, expect, it } from '@jest/globals';
import { email } from '../../test/builders.ts';
import { UnsubscribeLinks } from './unsubscribe-links.ts';

const { id } = email();
const links = (...keys: string[]) =>
  new UnsubscribeLinks({
    UNSUBSCRIBE_BASE_URL: 'https://mail.example/',
    UNSUBSCRIBE_KEY: keys.length > 0 ? keys : ['a key of some length'],
  });

describe('a link to unsubscribe', () => {
  it('leads back to its email', () => {
    const url = links().urlOf({ id }) ?? '';
    expect(url).toMatch(/^https:\/\/mail\.example\/unsubscribe\/[\w.-]+$/);
    expect(links().emailOf(url.split('/').at(-1) ?? '')).toBe(id);
  });

  it('is made with the key, for one email, and not without a base', () => {
    const token = links('another key of length').urlOf({ id })?.split('/').at(-1) ?? '';
    expect(links().emailOf(token)).toBeUndefined();
    const foreign = token.replace(id, '019a0000-0000-7000-8000-000000000002');
    expect(links('another key of length').emailOf(foreign)).toBeUndefined();
    expect(new UnsubscribeLinks({}).urlOf({ id })).toBeUndefined();
  });

  it('outlives the change of the key, as long as its own is still named', () => {
    const token = links('the old key of length').urlOf({ id })?.split('/').at(-1) ?? '';
    const rotated = links('the new key of length', 'the old key of length');
    expect(rotated.emailOf(token)).toBe(id);
    expect(links('the new key of length').emailOf(token)).toBeUndefined();
    const fresh = rotated.urlOf({ id })?.split('/').at(-1) ?? '';
    expect(links('the new key of length').emailOf(fresh)).toBe(id);
  });

  it.each(['', 'x', id, `${id}.`, `${id}.${'A'.repeat(42)}`, `${id}.${'é'.repeat(43)}`])('%j is none', (token) => {
    expect(links().emailOf(token)).toBeUndefined();
  });
});
