import { describe, expect, it } from '@jest/globals';
import { mailboxProviderOf } from './mailbox.rules.ts';

describe('the mailbox provider of an address', () => {
  it.each([
    ['ann@gmail.com', 'gmail'],
    ['ann@googlemail.com', 'gmail'],
    ['ann@yahoo.com', 'yahoo'],
    ['ann@yahoo.co.uk', 'yahoo'],
    ['ann@yahoo.com.br', 'yahoo'],
    ['ann@yahoo.fr', 'yahoo'],
    ['ann@aol.com', 'yahoo'],
    ['ann@rocketmail.com', 'yahoo'],
    ['ann@hotmail.co.uk', 'outlook'],
    ['ann@live.nl', 'outlook'],
    ['ann@msn.com', 'outlook'],
    ['ann@me.com', 'icloud'],
    ['ann@gmx.at', 'gmx'],
    ['ann@web.de', 'gmx'],
    // Another company than Yahoo.
    ['ann@yahoo.co.jp', 'yahoo_japan'],
    ['ann@example.com', 'other'],
    // Only looks like it.
    ['ann@mail.yahoo.example', 'other'],
    ['ann@yahoo.example.com', 'other'],
    ['ann@notgmail.com', 'other'],
    ['ann@gmail.com.example.org', 'other'],
    ['ann@live.example', 'other'],
    ['"odd@gmail.com"@example.com', 'other'],
  ])('%s is %s', (address, provider) => {
    expect(mailboxProviderOf(address)).toBe(provider);
  });

  it('knows the domains of the tenant first, also under names of its own', () => {
    const own = { gmail: ['corp.example'], intranet: ['hq.example', 'gmx.de'] };
    expect(mailboxProviderOf('ann@corp.example', own)).toBe('gmail');
    expect(mailboxProviderOf('ann@hq.example', own)).toBe('intranet');
    expect(mailboxProviderOf('ann@gmx.de', own)).toBe('intranet');
    expect(mailboxProviderOf('ann@gmx.net', own)).toBe('gmx');
    expect(mailboxProviderOf('ann@sub.corp.example', own)).toBe('other');
  });

  it('takes no word of the language for a name', () => {
    expect(mailboxProviderOf('ann@constructor')).toBe('other');
    expect(mailboxProviderOf('ann@__proto__.com')).toBe('other');
  });
});
