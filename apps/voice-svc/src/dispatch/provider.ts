import { subscribe } from 'node:diagnostics_channel';
import { Inject, Injectable } from '@nestjs/common';
import type { SendOutcome } from '@signalbox/outbound';
import { failpoints } from '@signalbox/persistence';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { SpanKind, traceparentOf, withSpan } from '@signalbox/telemetry';
import { outcomeOfError, TwilioApiError, twilioClient, voiceCallbackUrl, voiceFlowUrl } from '@signalbox/twilio';
import type { Twilio } from 'twilio';
import type { CallInstance, CallPage } from 'twilio/lib/rest/api/v2010/account/call.js';
import type { Call } from '../call/call.ts';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { providerSeconds } from '../metrics.ts';
import type { ProviderReport } from '../progress/progress.rules.ts';
import { spoken } from './spoken.rules.ts';

type Listing = NonNullable<Awaited<ReturnType<CallPage['nextPage']>>>;
type CreateOptions = Parameters<Twilio['calls']['create']>[0];

/** A call of the provider's list, with what is needed to recognise it. */
export interface ListedCall {
  readonly sid: string;
  readonly to: string;
  readonly from: string;
  readonly status: string;
  readonly createdAt: Date;
}

const everyEvent = ['initiated', 'ringing', 'answered', 'completed'];

if (failpoints.on) {
  subscribe('undici:request:bodySent', (event) => {
    const { method, path } = (event as { request: { method: string; path: string } }).request;
    if (method === 'POST' && path.endsWith('/Calls.json')) failpoints.reached('dispatch.sent');
  });
}

/** The Calls API of Twilio, as dispatch and reconciliation need it. */
@Injectable()
export class CallProvider {
  readonly #tenants: TenantDirectory;
  readonly #config: VoiceConfig;

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory, @Inject(CONFIG) config: VoiceConfig) {
    this.#tenants = tenants;
    this.#config = config;
  }

  /** Places the call. Never throws: whatever happens, the attempt has an outcome. */
  async place(call: Call): Promise<SendOutcome> {
    const options = { kind: SpanKind.CLIENT, parent: call.traceparent, attributes: { 'signalbox.call.id': call.id } };
    return withSpan('place call', options, async (span) => {
      const tenant = this.#tenants.byName(call.tenant);
      if (!tenant) return { kind: 'deferred', error: tenantGone, httpStatus: null, retryAfterMs: 30_000 };
      const outcome = await this.#create(tenant, call, traceparentOf(span));
      span.setAttribute('signalbox.outcome', outcome.kind);
      if (outcome.kind === 'accepted') span.setAttribute('signalbox.provider.sid', outcome.sid);
      return outcome;
    });
  }

  /**
   * What the provider has for a recipient since then, from whatever number. Not by StartTime: a call that waits to be dialled
   * has none yet, so that filter would hide it.
   * @throws when the list cannot be read to its end: then it proves nothing
   */
  async listSince(call: Call, since: Date): Promise<ListedCall[]> {
    const client = this.#clientOf(call.tenant);
    const listed: ListedCall[] = [];
    let page: Listing = await timed('list', () => client.calls.page({ to: call.to, pageSize: 100 }));
    for (;;) {
      for (const item of page.instances) {
        // Newest first: from here on everything is older.
        if (item.dateCreated < since) return listed;
        if (item.direction !== 'outbound-api') continue;
        listed.push({
          sid: item.sid,
          to: item.to,
          from: item.from,
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
  async status(tenant: string, sid: string): Promise<ProviderReport> {
    return reportOf(await timed('fetch', () => this.#clientOf(tenant).calls(sid).fetch()));
  }

  /**
   * Ends it, whether it waits, rings or talks; one that is over stays as it ended.
   * @throws TwilioApiError, TwilioTransportError
   */
  async hangUp(tenant: string, sid: string): Promise<ProviderReport> {
    const client = this.#clientOf(tenant);
    return reportOf(await timed('update', () => client.calls(sid).update({ status: 'completed' })));
  }

  async #create(tenant: Tenant, call: Call, traceparent: string | undefined): Promise<SendOutcome> {
    try {
      const created = await timed('create', () =>
        this.#client(tenant).calls.create(this.#createOptions(call, traceparent)),
      );
      return { kind: 'accepted', sid: created.sid, status: created.status, httpStatus: 201 };
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  #createOptions({ id: callId, to, from, request }: Call, traceparent: string | undefined): CreateOptions {
    const reference = { callId, traceparent };
    return {
      to,
      from: from ?? '',
      ...(request.flow
        ? { url: voiceFlowUrl(this.#config.VOICE_PUBLIC_BASE_URL, request.flow, reference) }
        : { twiml: spoken(request.say ?? '') }),
      timeout: request.ringSeconds,
      timeLimit: request.maxDurationSeconds,
      ...(request.machineDetection !== 'off' && {
        machineDetection: request.machineDetection === 'detect' ? 'Enable' : 'DetectMessageEnd',
      }),
      statusCallback: voiceCallbackUrl(this.#config.PUBLIC_BASE_URL, 'status', reference),
      statusCallbackEvent: everyEvent,
    };
  }

  #clientOf(tenantName: string): Twilio {
    const tenant = this.#tenants.byName(tenantName);
    if (!tenant) throw new Error(`tenant ${tenantName} is no longer in the tenant file`);
    return this.#client(tenant);
  }

  #client(tenant: Tenant): Twilio {
    return twilioClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
  }
}

function reportOf({ sid, status, answeredBy, duration }: CallInstance): ProviderReport {
  return {
    resourceSid: sid,
    status,
    errorCode: null,
    ...(answeredBy && { answeredBy }),
    ...(duration && { durationSeconds: Number(duration) }),
  };
}

export async function timed<R>(operation: string, call: () => Promise<R>): Promise<R> {
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
  remedy: 'Put the tenant back, or cancel the call',
} as const;
