import { describe, expect, it } from '@jest/globals';
import { tenant } from '../../test/builders.ts';
import { ReplyTokens } from './reply-tokens.ts';

const id = '019a0000-0000-7000-8000-000000000001';
const tokens = new ReplyTokens({ REPLY_KEY: ['a key of sixteen characters'] });
const demo = {
  ...tenant,
  sendgrid: { ...tenant.sendgrid, inboundParse: { replyAddress: 'reply@parse.example.net' } },
};
const address = tokens.addressOf(demo, id) ?? '';
const forged = (change: (token: string) => string) =>
  address.replace(/\+([^@]+)@/, (_all, token: string) => `+${change(token)}@`);

describe('a reply address', () => {
  it('names its email, and is one that mail servers take', () => {
    expect(address).toMatch(/^reply\+[0-9a-v]{45}@parse\.example\.net$/);
    expect(address.indexOf('@')).toBeLessThanOrEqual(64);
    expect(tokens.emailOf(demo, address)).toBe(id);
    expect(tokens.emailOf(demo, address.toUpperCase())).toBe(id);
  });

  it('begins with zeros for an id that does', () => {
    const small = '00000000-0000-4000-8000-000000000001';
    expect(tokens.emailOf(demo, tokens.addressOf(demo, small) ?? '')).toBe(small);
  });

  it.each([
    ['of another email', forged((token) => `${token.slice(0, 20)}${token[20] === '0' ? '1' : '0'}${token.slice(21)}`)],
    ['with another proof', forged((token) => `${token.slice(0, 44)}${token[44] === '0' ? '1' : '0'}`)],
    ['with more than it holds', forged((token) => token.replaceAll(/./g, 'v'))],
    ['that is short', forged((token) => token.slice(1))],
    ['at another domain', address.replace('parse.', 'other.')],
    ['of another name', address.replace('reply', 'answer')],
    ['without a token', 'reply@parse.example.net'],
  ])('%s is none', (_label, other) => expect(tokens.emailOf(demo, other)).toBeUndefined());

  it('is none of another tenant, and none by another key', () => {
    expect(tokens.emailOf({ ...demo, name: 'other' }, address)).toBeUndefined();
    expect(new ReplyTokens({ REPLY_KEY: ['another key of sixteen'] }).emailOf(demo, address)).toBeUndefined();
  });

  it('is not made without a key, or without an address of the tenant', () => {
    expect(new ReplyTokens({}).addressOf(demo, id)).toBeUndefined();
    expect(tokens.addressOf(tenant, id)).toBeUndefined();
  });
});
