import { describe, expect, it } from '@jest/globals';
import { fits, topicOf } from './route.rules.ts';

describe('fits', () => {
  it.each([
    ['support@*', 'Support@parse.example.net', true],
    ['support@*', 'other@parse.example.net', false],
    ['*@example.com', 'a@example.com', true],
    ['*@example.com', 'a@example.com.evil', false],
    ['*order*', 'Where is my ORDER 42?', true],
    ['*order*late*', 'My order is late', true],
    ['*order*late*', 'late is my order', false],
    ['a*a', 'a', false],
    ['a*b*b', 'ab', false],
    ['exact', 'exact', true],
    ['exact', 'exactly', false],
    ['a.c', 'abc', false],
    ['*', '', true],
  ])('%s, %s: %p', (pattern, text, expected) => expect(fits(pattern, text)).toBe(expected));

  it('takes no longer for what was made to be slow', () => {
    // With backtracking this would not end.
    expect(fits('*a*a*a*a*a*a*a*a*a*a*b', 'a'.repeat(100_000))).toBe(false);
  });
});

describe('topicOf', () => {
  const email = {
    kind: 'message' as const,
    from: 'a@example.com',
    to: ['other@parse.example.net', 'support@parse.example.net'],
    subject: 'Order 42',
    inReplyTo: null,
  };

  it.each([
    [
      'the first that fits',
      [
        { topic: 'one', recipient: 'support@*' },
        { topic: 'two', sender: '*' },
      ],
      'one',
    ],
    ['all that a route names', [{ topic: 'one', recipient: 'support@*', subject: 'refund*' }], null],
    ['its kind', [{ topic: 'one', kinds: ['bounce' as const] }], null],
    [
      'no reply',
      [
        { topic: 'one', reply: true },
        { topic: 'two', reply: false },
      ],
      'two',
    ],
    ['no route', [], null],
  ])('%s', (_label, routes, topic) => expect(topicOf(routes, email)).toBe(topic));
});
