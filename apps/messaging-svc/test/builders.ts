import type { SendCommand } from '@signalbox/contracts';
import type { Attempt, QuotaBook } from '@signalbox/outbound';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { noEstimate } from '../src/content/content.rules.ts';
import { type MessagingConfig, messagingConfig } from '../src/config.ts';
import type { DispatchPolicy } from '../src/dispatch/dispatch.rules.ts';
import type { Message } from '../src/message/message.ts';

export const now = new Date('2026-11-24T18:00:00.000Z');

export const after = (ms: number): Date => new Date(now.getTime() + ms);

export const policy: DispatchPolicy = {
  leaseMs: 30_000,
  settleMs: 15_000,
  backoffBaseMs: 500,
  backoffMaxMs: 300_000,
  giveUpAfterMs: 3_600_000,
  firstCheckMs: 300_000,
};

/** As a service in a hurry has it; what it would connect to is not there. */
export function testConfig(changes: Partial<MessagingConfig> = {}): MessagingConfig {
  const required = { DATABASE_URL: 'postgres://unused', KAFKA_BROKERS: 'unused:9092' };
  const patience = { DISPATCH_POLL_MS: 20, RECONCILE_POLL_MS: 20, RETRY_BASE_MS: 1, RETRY_MAX_MS: 5 };
  return {
    ...messagingConfig.parse({ ...required, PUBLIC_BASE_URL: 'http://localhost', ...patience, IN_DOUBT_SETTLE_MS: 30 }),
    ...changes,
  };
}

export const tenant: Tenant = {
  name: 'demo',
  twilio: {
    accountSid: 'AC00000000000000000000000000000001',
    apiKey: { sid: 'SK00000000000000000000000000000001', secret: 'secret' },
    authTokens: ['token'],
  },
  senders: ['+14155550100'],
  messagingServices: { default: 'MG00000000000000000000000000000001' },
  defaultMessagingService: 'default',
  apiTokens: [],
};

/** No prices, no inbound messages. */
export const acceptance = { content: { prices: null, allowPrivateMedia: false }, lastInbound: [] };

/** For what logs and is not asked about it. */
export const silent = createLogger('spec', { level: 'silent' });

/** What the acceptor reads of the configuration. */
export const acceptorConfig = { MEDIA_ALLOW_PRIVATE: false, MAX_WAITING: 1_000_000 };

/** Knows the one tenant. */
export const directory = { byName: (name: string) => (name === 'demo' ? tenant : undefined) } as TenantDirectory;

/** No limits at all. */
export const noQuotas = {
  of: () => new Map(),
  refresh: async () => undefined,
  onChange: () => undefined,
} as unknown as QuotaBook;

export function command(changes: Partial<SendCommand> = {}): SendCommand {
  return {
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped',
    to: '+14155550199',
    body: 'Your order has shipped',
    channel: 'sms',
    mediaUrls: [],
    contentVariables: {},
    lane: 'transactional',
    fallback: [],
    metadata: {},
    ...changes,
  };
}

export function message(changes: Partial<Message> = {}): Message {
  return {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: 'demo',
    idempotencyKey: 'order-42-shipped',
    requestDigest: 'digest',
    channel: 'sms',
    to: '+14155550199',
    from: null,
    messagingServiceSid: 'MG00000000000000000000000000000001',
    content: { body: 'Your order has shipped', mediaUrls: [], contentSid: null, contentVariables: {}, maxPrice: null },
    lane: 'transactional',
    fallback: [],
    metadata: {},
    sendAt: null,
    expiresAt: null,
    timeZone: null,
    consent: null,
    estimate: noEstimate,
    traceparent: '00-019a0000000070008000000000000001-8000000000000001-01',
    createdAt: now.toISOString(),
    state: 'submitting',
    sequence: 3,
    providerSid: null,
    error: null,
    attempt: 1,
    dueAt: null,
    queue: '',
    checkAt: null,
    fallbackTaken: 0,
    fallbackAt: null,
    updatedAt: now.toISOString(),
    ...changes,
  };
}

export function attempt(changes: Partial<Attempt> = {}): Attempt {
  return {
    itemId: message().id,
    number: 1,
    state: 'calling',
    startedAt: now.toISOString(),
    leaseUntil: after(policy.leaseMs).toISOString(),
    worker: 'test/1',
    finishedAt: null,
    providerSid: null,
    httpStatus: null,
    error: null,
    ...changes,
  };
}
