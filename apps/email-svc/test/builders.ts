import { examples, type SendEmailCommand, sendEmailCommand } from '@signalbox/contracts';
import { newAttempt } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import type { Email } from '../src/email/email.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export const tenant: Tenant = {
  name: 'demo',
  twilio: {
    accountSid: `AC${'0'.repeat(32)}`,
    apiKey: { sid: `SK${'0'.repeat(32)}`, secret: 'secret' },
    authTokens: ['token'],
  },
  sendgrid: { apiKey: 'SG.key', from: 'Demo <no-reply@demo.example>' },
  senders: [],
  messagingServices: {},
  apiTokens: [],
};

export function command(changes: Partial<SendEmailCommand> = {}): SendEmailCommand {
  return { ...sendEmailCommand.parse(examples['email.send.v1']), ...changes };
}

export function email(changes: Partial<Email> = {}): Email {
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped:email',
    requestDigest: 'digest',
    to: 'a@example.com',
    toName: null,
    from: 'Demo <no-reply@demo.example>',
    replyTo: null,
    subject: 'Your order has shipped',
    templateId: null,
    categories: [],
    lane: 'transactional',
    bodyKey: 'body',
    unsubscribeGroup: null,
    ipPool: null,
    correlationId: null,
    metadata: {},
    sendAt: null,
    expiresAt: null,
    traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
    createdAt: now.toISOString(),
    templateData: null,
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    attempt: 0,
    dueAt: null,
    queue: '',
    pool: null,
    opens: 0,
    machineOpens: 0,
    clicks: 0,
    updatedAt: now.toISOString(),
    ...changes,
  };
}

export const attempt = (number = 1) => newAttempt(email().id, number, 'worker', now, 30_000);

export function later(ms: number): Date {
  return new Date(now.getTime() + ms);
}
