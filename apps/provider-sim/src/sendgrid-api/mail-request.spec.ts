import { describe, expect, it } from '@jest/globals';
import { isAddress, readMailRequest } from './mail-request.rules.ts';

const now = Date.UTC(2026, 10, 24);
const mail = (changes: object = {}) => ({
  personalizations: [{ to: [{ email: 'a@example.com' }] }],
  from: { email: 'shop@demo.example' },
  subject: 'Hello',
  content: [{ type: 'text/plain', value: 'Hello' }],
  ...changes,
});
const read = (body: unknown) => readMailRequest(body, now, (id) => id === 'd-known');
const fieldsAtFault = (body: unknown) => {
  const reading = read(body);
  return reading.ok ? [] : reading.errors.map(({ field }) => field);
};
const to = (...emails: string[]) => emails.map((email) => ({ to: [{ email }] }));

describe('a request of mail/send', () => {
  it.each([
    ['no JSON object', 'Hello', null],
    ['no personalization', mail({ personalizations: [] }), 'personalizations'],
    ['1001 personalizations', mail({ personalizations: to(...Array<string>(1001).fill('a@b.c')) }), 'personalizations'],
    ['no recipient', mail({ personalizations: [{ to: [] }] }), 'personalizations.0.to'],
    ['no address', mail({ personalizations: to('a@example.com', 'nobody') }), 'personalizations.1.to.0.email'],
    ['an address twice', mail({ personalizations: to('a@example.com', 'A@example.com') }), 'personalizations.1.to.0'],
    ['no sender', mail({ from: undefined }), 'from.email'],
    ['no subject', mail({ subject: undefined }), 'subject'],
    ['no content', mail({ content: undefined }), 'content'],
    ['empty content', mail({ content: [{ type: 'text/html', value: '' }] }), 'content.0.value'],
    [
      'HTML before text',
      mail({ content: ['html', 'plain'].map((kind) => ({ type: `text/${kind}`, value: 'x' })) }),
      'content',
    ],
    ['an unknown template', mail({ template_id: 'd-unknown' }), 'template_id'],
    [
      'an attachment that is not base64',
      mail({ attachments: [{ filename: 'a', content: '%' }] }),
      'attachments.0.content',
    ],
    ['11 categories', mail({ categories: Array.from({ length: 11 }, (_, i) => `c${i}`) }), 'categories'],
    ['a category twice', mail({ categories: ['a', 'a'] }), 'categories'],
    ['custom arguments that are no strings', mail({ custom_args: { a: 1 } }), 'custom_args'],
    ['custom arguments of 10 kB', mail({ custom_args: { a: 'x'.repeat(10_000) } }), 'custom_args'],
    ['a send_at beyond 72 hours', mail({ send_at: now / 1000 + 72 * 3600 + 1 }), 'send_at'],
    [
      'a reserved header',
      mail({ personalizations: [{ to: [{ email: 'a@b.c' }], headers: { Subject: 'x' } }] }),
      'personalizations.0.headers.Subject',
    ],
    ['a group that is no number', mail({ asm: { group_id: 'x' } }), 'asm.group_id'],
    ['a pool of one letter', mail({ ip_pool_name: 'x' }), 'ip_pool_name'],
  ])('is refused with %s', (_label, body, field) => {
    expect(fieldsAtFault(body)).toEqual([field]);
  });

  it('names every fault at once, each with its help', () => {
    const reading = read(mail({ from: undefined, content: undefined }));
    expect(reading).toMatchObject({
      ok: false,
      errors: [
        { field: 'from.email', help: expect.stringMatching(/^http.*#message\.from\.email$/) },
        { field: 'content' },
      ],
    });
  });

  it('may leave subject and content to a template, and has custom arguments of its own and shared ones', () => {
    const personalizations = [{ to: [{ email: 'a@example.com' }], custom_args: { b: '2' } }];
    const body = mail({ subject: undefined, content: undefined, template_id: 'd-known', custom_args: { a: '1' } });
    expect(read({ ...body, personalizations })).toMatchObject({
      ok: true,
      request: { templateId: 'd-known', personalizations: [{ customArgs: { a: '1', b: '2' } }] },
    });
  });

  it.each([
    ['a@example.com', true],
    ['first.last+tag@mail.example.co.uk', true],
    ['a@localhost', false],
    ['a b@example.com', false],
    ['a@-example.com', false],
    ['@example.com', false],
  ])('%s is an address: %s', (email, expected) => expect(isAddress(email)).toBe(expected));
});
