import { describe, expect, it } from '@jest/globals';
import { simulatorConfig } from './config.ts';

const account = { accountSid: `AC${'0'.repeat(31)}1`, authToken: 'token', senders: ['+14155550100'] };

describe('SIM_ACCOUNTS', () => {
  it('is a JSON list of accounts', () => {
    expect(simulatorConfig.parse({ SIM_ACCOUNTS: JSON.stringify([account]) }).SIM_ACCOUNTS).toEqual([
      { ...account, messagingServices: {}, verifyServices: {}, sendgridIpPools: [] },
    ]);
  });

  it.each([
    ['no JSON', 'demo', /is not JSON/],
    ['no account', '[]', /SIM_ACCOUNTS|Too small/],
    ['a SID of no form', JSON.stringify([{ ...account, accountSid: 'AC1' }]), /must be AC and 32 hex digits/],
    ['no auth token', JSON.stringify([{ ...account, authToken: undefined }]), /authToken/],
    ['a key that is none', JSON.stringify([{ ...account, sendgridPrivateKey: 'x' }]), /is not the base64 of a private/],
    ['an unknown field', JSON.stringify([{ ...account, tokens: [] }]), /tokens/],
  ])('is refused with %s', (_label, text, reason) => {
    const error = simulatorConfig.safeParse({ SIM_ACCOUNTS: text }).error;
    expect(String(error)).toMatch(reason);
  });
});
