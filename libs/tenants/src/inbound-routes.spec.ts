import { describe, expect, it } from '@jest/globals';
import { inboundRoute, replyAddress } from './inbound-routes.ts';

describe('a route of received emails', () => {
  it.each([
    ['a recipient', { topic: 'support', recipient: 'support@*' }, true],
    ['that it is no reply', { topic: 'support', reply: false }, true],
    ['nothing to go by', { topic: 'support' }, false],
    ['a topic in upper case', { topic: 'Support', reply: true }, false],
    ['an unknown kind', { topic: 'support', kinds: ['spam'] }, false],
    ['no topic', { reply: true }, false],
  ])('with %s: %j is %p', (_label, route, ok) => expect(inboundRoute.safeParse(route).success).toBe(ok));
});

describe('a reply address', () => {
  it.each([
    ['reply@parse.example.net', true],
    ['Reply@parse.example.net', false],
    ['reply+x@parse.example.net', false],
    // With the token it would be longer than a local part may be.
    ['nineteen-characters@parse.example.net', false],
    ['reply@localhost', false],
  ])('%s: %p', (address, ok) => expect(replyAddress.safeParse(address).success).toBe(ok));
});
