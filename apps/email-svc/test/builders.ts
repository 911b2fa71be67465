import { examples, type SendEmailCommand, sendEmailCommand } from '@signalbox/contracts';
import type { Email } from '../src/email/email.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export function command(changes: Partial<SendEmailCommand> = {}): SendEmailCommand {
  return { ...sendEmailCommand.parse(examples['email.send.v1']), ...changes };
}

export function email(changes: Partial<Email> = {}): Email {
  const request = command();
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: request.tenant,
    idempotencyKey: request.idempotencyKey,
    requestDigest: 'digest',
    request,
    createdAt: now.toISOString(),
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    updatedAt: now.toISOString(),
    ...changes,
  };
}
