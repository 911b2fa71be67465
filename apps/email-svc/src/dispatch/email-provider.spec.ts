import { expect, it, jest } from '@jest/globals';
import type { Transact } from '@signalbox/persistence';
import type { Logger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { attempt, email, tenant } from '../../test/builders.ts';
import type { EmailConfig } from '../config.ts';
import type { UnsubscribeLinks } from '../suppression/unsubscribe-links.ts';
import { EmailProvider } from './email-provider.ts';

it('a call that fails in a way nobody foresaw is in doubt, and the log tells where, and nothing of the email', async () => {
  const one = email({ lane: 'bulk', to: 'ann@example.com', subject: 'For Ann' });
  const body = { text: 'Dear Ann', html: null, attachments: [] };
  const prepared = () => Promise.resolve([body, new Set([one.id])]);
  const links = {
    urlOf({ to, subject }: typeof one): string {
      throw new TypeError(`no link for ${to}: ${subject}`);
    },
  };
  const error = jest.fn<(fields: object, message: string) => void>();
  const provider = new EmailProvider(
    prepared as unknown as Transact,
    { byName: () => tenant } as unknown as TenantDirectory,
    { PROVIDER_TIMEOUT_MS: 1_000 } as EmailConfig,
    links as unknown as UnsubscribeLinks,
    { error, warn: error } as unknown as Logger,
  );
  const leaseUntil = new Date(Date.now() + 60_000).toISOString();
  expect(await provider.send(one, { ...attempt(), leaseUntil })).toMatchObject({
    kind: 'in_doubt',
    error: { code: 'no_answer', title: expect.stringContaining('unexpected') },
  });
  expect(error.mock.calls).toEqual([
    [
      {
        tenant: 'demo',
        emails: 1,
        error: 'TypeError',
        at: expect.arrayContaining([expect.stringContaining('email-provider.spec')]),
      },
      'a call ended unexpectedly',
    ],
  ]);
  expect(JSON.stringify(error.mock.calls)).not.toMatch(/ann@|For Ann|Dear Ann/);
});
