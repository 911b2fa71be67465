import { subscribe } from 'node:diagnostics_channel';
import { Inject, Injectable } from '@nestjs/common';
import type { SendOutcome } from '@signalbox/outbound';
import { failpoints } from '@signalbox/persistence';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { SpanKind, traceparentOf, withSpan } from '@signalbox/telemetry';
import { outcomeOfError, statusCallbackUrl, TwilioApiError, twilioClient } from '@signalbox/twilio';
import type { Twilio } from 'twilio';
import type { MessagePage } from 'twilio/lib/rest/api/v2010/account/message.js';
import { CONFIG, type MessagingConfig } from '../config.ts';
import type { ProviderReport } from '../delivery/delivery.rules.ts';
import type { Message } from '../message/message.ts';
import { providerSeconds } from '../metrics.ts';
import type { ListedMessage } from './listed-message.ts';

type Listing = NonNullable<Awaited<ReturnType<MessagePage['nextPage']>>>;
type CreateOptions = Parameters<Twilio['messages']['create']>[0];

if (failpoints.on) {
  subscribe('undici:request:bodySent', (event) => {
    const { method, path } = (event as { request: { method: string; path: string } }).request;
    if (method === 'POST' && path.endsWith('/Messages.json')) failpoints.reached('dispatch.sent');
  });
}

/** The Messages API of Twilio, as dispatch and reconciliation need it. */
@Injectable()
export class MessageProvider {
  readonly #tenants: TenantDirectory;
  readonly #config: MessagingConfig;

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory, @Inject(CONFIG) config: MessagingConfig) {
    this.#tenants = tenants;
    this.#config = config;
  }

  /** Hands the message over. Never throws: whatever happens, the attempt has an outcome. */
  async send(message: Message): Promise<SendOutcome> {
    const options = {
      kind: SpanKind.CLIENT,
      parent: message.traceparent,
      attributes: { 'signalbox.message.id': message.id },
    };
    return withSpan('send message', options, async (span) => {
      const tenant = this.#tenants.byName(message.tenant);
      if (!tenant) return { kind: 'deferred', error: tenantGone, httpStatus: null, retryAfterMs: 30_000 };
      const outcome = await this.#create(tenant, message, traceparentOf(span));
      span.setAttribute('signalbox.outcome', outcome.kind);
      if (outcome.kind === 'accepted') span.setAttribute('signalbox.provider.sid', outcome.sid);
      return outcome;
    });
  }

  /**
   * What the provider has for a recipient since then, from whatever sender.
   * @throws when the list cannot be read to its end: then it proves nothing
   */
  async listSince(message: Message, since: Date): Promise<ListedMessage[]> {
    const client = this.#client(this.#tenantOf(message));
    const listed: ListedMessage[] = [];
    let page: Listing = await timed('list', () => client.messages.page({ to: message.to, pageSize: 100 }));
    for (;;) {
      for (const item of page.instances) {
        // Newest first: from here on everything is older.
        if (item.dateCreated < since) return listed;
        if (!item.direction.startsWith('outbound')) continue;
        listed.push({
          sid: item.sid,
          to: item.to,
          from: item.from,
          messagingServiceSid: item.messagingServiceSid,
          body: item.body ?? '',
          status: item.status,
          createdAt: item.dateCreated,
        });
      }
      const next = await timed('list', async () => page.nextPage());
      if (!next) return listed;
      page = next;
    }
  }

  /** @throws TwilioApiError, TwilioTransportError */
  async status(message: Message, sid: string): Promise<ProviderReport> {
    const client = this.#client(this.#tenantOf(message));
    const { status, errorCode } = await timed('fetch', () => client.messages(sid).fetch());
    return { resourceSid: sid, status, errorCode: errorCode || null };
  }

  async #create(tenant: Tenant, message: Message, traceparent: string | undefined): Promise<SendOutcome> {
    try {
      const created = await timed('create', () =>
        this.#client(tenant).messages.create(this.#createOptions(tenant, message, traceparent)),
      );
      return { kind: 'accepted', sid: created.sid, status: created.status, httpStatus: 201 };
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  #createOptions(tenant: Tenant, message: Message, traceparent: string | undefined): CreateOptions {
    const { content } = message;
    return {
      to: message.to,
      ...(message.messagingServiceSid !== null
        ? { messagingServiceSid: message.messagingServiceSid }
        : { from: message.from ?? '' }),
      ...(content.body !== null && { body: content.body }),
      ...(tenant.smartEncoding && { smartEncoded: true }),
      ...(content.mediaUrls.length > 0 && { mediaUrl: [...content.mediaUrls] }),
      ...(content.contentSid !== null && {
        contentSid: content.contentSid,
        contentVariables: JSON.stringify(content.contentVariables),
      }),
      ...(message.expiresAt !== null && { validityPeriod: validityPeriod(message.expiresAt, Date.now()) }),
      statusCallback: statusCallbackUrl(this.#config.PUBLIC_BASE_URL, { messageId: message.id, traceparent }),
    };
  }

  #tenantOf(message: Message): Tenant {
    const tenant = this.#tenants.byName(message.tenant);
    if (!tenant) throw new Error(`tenant ${message.tenant} is no longer in the tenant file`);
    return tenant;
  }

  #client(tenant: Tenant): Twilio {
    return twilioClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
  }
}

/** Seconds the provider may hold the message: 1 to 36,000. Source: Twilio API v2010, ValidityPeriod. */
function validityPeriod(expiresAt: string, now: number): number {
  return Math.min(36_000, Math.max(1, Math.floor((Date.parse(expiresAt) - now) / 1000)));
}

async function timed<R>(operation: string, call: () => Promise<R>): Promise<R> {
  const stop = providerSeconds.startTimer({ operation });
  try {
    const result = await call();
    stop({ status: '2xx' });
    return result;
  } catch (error) {
    stop({ status: error instanceof TwilioApiError ? String(error.status) : 'none' });
    throw error;
  }
}

const tenantGone = {
  code: 'unknown_tenant',
  class: 'configuration',
  title: 'The tenant is no longer in the tenant file',
  remedy: 'Put the tenant back, or let the message run out',
} as const;
