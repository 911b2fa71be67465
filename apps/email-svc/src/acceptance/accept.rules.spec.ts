import { describe, expect, it } from '@jest/globals';
import type { SendEmailCommand } from '@signalbox/contracts';
import { command, later, now, tenant } from '../../test/builders.ts';
import { accept, type AcceptanceContext } from './accept.rules.ts';

const context: AcceptanceContext = {
  id: '019a0000-0000-7000-8000-000000000001',
  now,
  tenant,
  digest: 'digest',
  traceparent: undefined,
  bodyKeyOf: (common) => JSON.stringify(common),
};
const decide = (changes: Partial<SendEmailCommand> = {}, other: Partial<AcceptanceContext> = {}) =>
  accept(command(changes), { ...context, ...other }).step;
const keyOf = (changes: Partial<SendEmailCommand>) => decide(changes).email.bodyKey;

describe('a request', () => {
  it('is queued, and due at once', () => {
    const { email, changes } = decide({ to: 'Ada <Ada@Example.com>' });
    expect(email).toMatchObject({ state: 'queued', to: 'ada@example.com', toName: 'Ada', dueAt: now.toISOString() });
    expect(changes.map(({ to }) => to)).toEqual(['accepted', 'queued']);
  });

  it('is scheduled for its time, and queued when that has passed', () => {
    const sendAt = later(60_000).toISOString();
    expect(decide({ sendAt }).email).toMatchObject({ state: 'scheduled', dueAt: sendAt });
    expect(decide({ sendAt: later(-1).toISOString() }).email).toMatchObject({
      state: 'queued',
      dueAt: now.toISOString(),
    });
  });

  it.each([
    ['a recipient that is no address', { to: 'nobody' }, {}, 'invalid_recipient'],
    ['a sender that is no address', { from: 'nobody' }, {}, 'invalid_sender'],
    ['a reply-to that is no address', { replyTo: 'nobody' }, {}, 'invalid_sender'],
    ['no sender at all', {}, { tenant: { ...tenant, sendgrid: { apiKey: 'SG.key' } } }, 'no_sender'],
    ['a tenant without a key', {}, { tenant: { ...tenant, sendgrid: undefined } }, 'not_configured'],
    ['no subject, nor a text', { subject: null, text: null, html: '<p>Hi</p>' }, {}, 'no_subject'],
    ['a time that is over', { expiresAt: now.toISOString() }, {}, 'expired'],
    ['a time before its own', { sendAt: later(2).toISOString(), expiresAt: later(1).toISOString() }, {}, 'expired'],
  ] as [string, Partial<SendEmailCommand>, Partial<AcceptanceContext>, string][])(
    'is rejected with %s',
    (_label, changes, other, code) => {
      expect(decide(changes, other).email).toMatchObject({
        state: 'rejected',
        sequence: 1,
        error: { code },
        dueAt: null,
      });
    },
  );

  it.each([
    ['its subject, on one line', { subject: ' Two\n lines ' }, 'Two lines'],
    ['the first line of the text', { subject: null, text: '\n\n  Hello  \nthere' }, 'Hello'],
    ["nothing, for a template's own", { subject: null, text: null, templateId: 'd-1' }, ''],
  ])('has for a subject %s', (_label, changes, subject) => expect(decide(changes).email.subject).toBe(subject));

  it('shares a call with those of the same body, sender, group and pool, whoever they are for', () => {
    const one = keyOf({ text: 'Hello' });
    expect(
      keyOf({ text: 'Hello', to: 'b@example.com', subject: 'Other', metadata: { a: '1' }, templateData: { b: 1 } }),
    ).toBe(one);
    const others: Partial<SendEmailCommand>[] = [
      { text: 'Other' },
      { html: '<p>Hello</p>' },
      { from: 'other@demo.example' },
      { replyTo: 'other@demo.example' },
      { templateId: 'd-1' },
      { categories: ['a'] },
      { ipPool: 'news' },
      { lane: 'bulk' },
      { lane: 'bulk', unsubscribeGroup: 7 },
      { attachments: [{ filename: 'a', contentType: 'x/y', content: 'YQ==' }] },
    ];
    const keys = others.map((changes) => keyOf({ text: 'Hello', ...changes }));
    expect(new Set([one, ...keys]).size).toBe(others.length + 1);
  });

  it('whose replies are tracked has a reply address of its own, and so a call of its own', () => {
    const replyAddress = 'reply+token@parse.demo.example';
    expect(decide({ trackReplies: true }, { replyAddress }).email).toMatchObject({
      state: 'queued',
      replyTo: replyAddress,
    });
    expect(decide({}, { replyAddress }).email.replyTo).toBeNull();
    expect(decide({ trackReplies: true }).email).toMatchObject({
      state: 'rejected',
      error: { code: 'no_reply_address' },
    });
  });

  it('names a template of ours, or is rejected with what is wrong with its data', () => {
    const templated = { template: 'order-shipped', subject: null, text: null, templateData: { a: 1 } };
    expect(decide(templated).email).toMatchObject({
      state: 'queued',
      templateId: 'template:order-shipped',
      templateData: { a: 1 },
    });
    const templateFault = { code: 'template_data', class: 'terminal', title: 'x', remedy: 'y' } as const;
    expect(decide(templated, { templateFault }).email).toMatchObject({ state: 'rejected', error: templateFault });
  });

  it('of a group is bulk only', () => {
    expect(decide({ lane: 'transactional', unsubscribeGroup: 7 }).email.unsubscribeGroup).toBeNull();
    expect(decide({ lane: 'bulk', unsubscribeGroup: 7 }).email.unsubscribeGroup).toBe(7);
  });

  it('keeps the trace it came with, and begins one otherwise', () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    expect(decide({}, { traceparent }).email.traceparent).toBe(traceparent);
    expect(decide().email.traceparent).toBe('00-019a0000000070008000000000000001-8000000000000001-01');
  });
});
