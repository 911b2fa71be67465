import { describe, expect, it } from '@jest/globals';
import { email } from '../../test/builders.ts';
import { toMail } from './mail.ts';

const body = { text: 'Hello', html: '<p>Hello</p>', attachments: [] };
const link = ({ id }: { id: string }) => `https://mail.example/unsubscribe/${id}`;

describe('a request of mail/send', () => {
  it('has an email of ours in each personalization, and what they share once', () => {
    const emails = [email({ id: 'one', toName: 'Ada' }), email({ id: 'two', to: 'b@example.com', subject: 'Other' })];
    expect(toMail(emails, body, link)).toEqual({
      from: { email: 'no-reply@demo.example', name: 'Demo' },
      content: [
        { type: 'text/plain', value: 'Hello' },
        { type: 'text/html', value: '<p>Hello</p>' },
      ],
      personalizations: [
        {
          to: { email: 'a@example.com', name: 'Ada' },
          subject: 'Your order has shipped',
          customArgs: { sb_message_id: 'one' },
        },
        { to: { email: 'b@example.com' }, subject: 'Other', customArgs: { sb_message_id: 'two' } },
      ],
    });
  });

  it('leaves subject and content to a template', () => {
    const templated = email({ templateId: 'd-1', subject: '', templateData: { name: 'Ada' } });
    const mail = toMail([templated], { text: null, html: null, attachments: [] }, link);
    expect(mail).toMatchObject({ templateId: 'd-1', personalizations: [{ dynamicTemplateData: { name: 'Ada' } }] });
    expect(Object.keys(mail)).not.toContain('content');
    expect(mail.personalizations?.[0]).not.toHaveProperty('subject');
  });

  it('names group, pool, reply-to, categories and attachments', () => {
    const rich = email({
      lane: 'bulk',
      unsubscribeGroup: 7,
      ipPool: 'news',
      replyTo: 'Help <help@demo.example>',
      categories: ['news'],
    });
    const attachments = [
      { filename: 'a.txt', contentType: 'text/plain', content: 'YQ==' },
      { filename: 'logo.png', contentType: 'image/png', content: 'YQ==', contentId: 'logo' },
    ];
    expect(toMail([rich], { ...body, attachments }, link)).toMatchObject({
      asm: { groupId: 7 },
      ipPoolName: 'news',
      replyTo: { email: 'help@demo.example', name: 'Help' },
      categories: ['news'],
      attachments: [
        { filename: 'a.txt', type: 'text/plain', content: 'YQ==', disposition: 'attachment' },
        { filename: 'logo.png', disposition: 'inline', contentId: 'logo' },
      ],
    });
  });

  it.each([
    [
      'bulk',
      {
        'List-Unsubscribe': '<https://mail.example/unsubscribe/one>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
    ],
    ['transactional', undefined],
    ['critical', undefined],
  ] as const)('on lane %s has the headers %j', (lane, headers) => {
    expect(toMail([email({ id: 'one', lane })], body, link).personalizations?.[0]?.headers).toEqual(headers);
  });
});
