import { subscribe } from 'node:diagnostics_channel';
import { Inject, Injectable } from '@nestjs/common';
import type { StartVerificationCommand } from '@signalbox/contracts';
import { failpoints } from '@signalbox/persistence';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { SpanKind, withSpan } from '@signalbox/telemetry';
import {
  describeFailure,
  TwilioApiError,
  twilioClient,
  TwilioTransportError,
  verifyServiceSid,
  VerifyServiceUnknown,
} from '@signalbox/twilio';
import type { Twilio } from 'twilio';
import { classOfRefusal } from '../channels/refusal.rules.ts';
import type { CheckOutcome } from '../check/check.rules.ts';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { credentialsRefused, providerSeconds } from '../metrics.ts';
import type { ToTell, Verification } from '../verification/verification.ts';
import type { Attempt, Delivery, SendOutcome } from './attempt.ts';
import { deliveryOfStatus } from './delivery.rules.ts';

/** What Twilio has pending for a recipient. */
export interface PendingAtProvider {
  readonly sid: string;
  readonly createdAt: string | null;
  readonly attempts: readonly ProviderAttempt[];
}

export interface ProviderAttempt {
  readonly sid: string;
  readonly channel: string;
  readonly at: Date | null;
}

if (failpoints.on) {
  subscribe('undici:request:bodySent', (event) => {
    const { method, path } = (event as { request: { method: string; path: string } }).request;
    if (method === 'POST' && path.endsWith('/Verifications')) failpoints.reached('start.sent');
    if (method === 'POST' && path.endsWith('/VerificationCheck')) failpoints.reached('check.sent');
  });
}

/** Twilio's Verify, as this service needs it. */
@Injectable()
export class VerifyProvider {
  readonly #tenants: TenantDirectory;
  readonly #timeoutMs: number;

  constructor(
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: Pick<VerifyConfig, 'PROVIDER_TIMEOUT_MS'>,
  ) {
    this.#tenants = tenants;
    this.#timeoutMs = config.PROVIDER_TIMEOUT_MS;
  }

  /**
   * The service that a command means; null where it needs none, or where Twilio has none or does not show it to the tenant's key.
   * @throws TwilioApiError, TwilioTransportError when it had to be looked up and Twilio could not answer
   */
  async serviceSid(
    tenant: Tenant,
    { channel, service }: Pick<StartVerificationCommand, 'channel' | 'service'>,
  ): Promise<string | null> {
    if (channel === 'totp') return null;
    try {
      return await verifyServiceSid(tenant, service ?? null, this.#client(tenant));
    } catch (error) {
      const isRefused = error instanceof TwilioApiError && error.status < 500 && error.status !== 429;
      if (error instanceof VerifyServiceUnknown || isRefused) return null;
      throw error;
    }
  }

  /** Has a code sent. Never throws: whatever happens, the attempt has an outcome. */
  async start(verification: Verification, attempt: Attempt, code: string | null): Promise<SendOutcome> {
    const { id, request, tenant } = verification;
    const attributes = { 'signalbox.verification.id': id, 'signalbox.channel': attempt.channel };
    return withSpan('start verification', { kind: SpanKind.CLIENT, attributes }, async (span) => {
      const known = this.#tenants.byName(tenant);
      if (!known) return { kind: 'put_off', error: tenantGone, httpStatus: null, retryAfterMs: 30_000 };
      try {
        const created = await timed('start', tenant, () =>
          this.#serviceOf(verification).verifications.create({
            to: attempt.to ?? '',
            channel: attempt.channel,
            ...(request.locale !== null && { locale: request.locale }),
            ...(request.ip !== null && { deviceIp: request.ip }),
            ...(code !== null && { customCode: code }),
            tags: JSON.stringify({ signalbox: tagOf(attempt) }),
          }),
        );
        span.setAttribute('signalbox.provider.sid', created.sid);
        return {
          kind: 'accepted',
          sid: created.sid,
          attemptSid: readAttempts(created.sendCodeAttempts).at(-1)?.sid ?? null,
          createdAt: isoOf(created.dateCreated),
          httpStatus: 201,
        };
      } catch (error) {
        return outcomeOfError(error);
      }
    });
  }

  /** Has a code checked, by SID, or by recipient where the SID is not known yet. Never throws. */
  async check(verification: Verification, by: { sid: string } | { to: string }, code: string): Promise<CheckOutcome> {
    const attributes = { 'signalbox.verification.id': verification.id };
    return withSpan('check verification', { kind: SpanKind.CLIENT, attributes }, async () => {
      try {
        const target = 'sid' in by ? { verificationSid: by.sid } : { to: by.to };
        const service = this.#serviceOf(verification);
        const checked = await timed('check', verification.tenant, () =>
          service.verificationChecks.create({ ...target, code }),
        );
        return { kind: 'checked', status: checked.status, sid: checked.sid };
      } catch (error) {
        return checkOutcomeOfError(error);
      }
    });
  }

  /**
   * What is pending for a recipient; null when Twilio has nothing.
   * @throws TwilioApiError, TwilioTransportError: then nobody knows
   */
  async pendingFor(verification: Verification, to: string): Promise<PendingAtProvider | null> {
    const service = this.#serviceOf(verification);
    try {
      const found = await timed('fetch', verification.tenant, () => service.verifications(to).fetch());
      if (found.status !== 'pending') return null;
      return { sid: found.sid, createdAt: isoOf(found.dateCreated), attempts: readAttempts(found.sendCodeAttempts) };
    } catch (error) {
      if (error instanceof TwilioApiError && error.status === 404) return null;
      throw error;
    }
  }

  /**
   * What became of the message or call of an attempt, as far as Twilio's list of attempts tells.
   * @throws TwilioApiError, TwilioTransportError
   */
  async deliveryOf(verification: Verification, attemptSid: string): Promise<Delivery | null> {
    const client = this.#client(this.#tenantOf(verification));
    const attempt = await timed('attempt', verification.tenant, () =>
      client.verify.v2.verificationAttempts(attemptSid).fetch(),
    );
    const data = (attempt.channelData ?? {}) as Record<string, unknown>;
    const status = [data['message_status'], data['call_status'], data['status']].find((one) => typeof one === 'string');
    return status === undefined ? null : deliveryOfStatus(status);
  }

  /** Tells Twilio how it ended. A verification that Twilio no longer has needs no telling. @throws when it has to be told again */
  async tell(verification: Verification, sid: string, status: ToTell): Promise<void> {
    const service = this.#serviceOf(verification);
    try {
      await timed('update', verification.tenant, () => service.verifications(sid).update({ status }));
    } catch (error) {
      if (error instanceof TwilioApiError && error.status === 404) return;
      throw error;
    }
  }

  /** False when the tenant is no longer in the tenant file, and so its credentials are gone. */
  canAsk({ tenant }: Verification): boolean {
    return this.#tenants.byName(tenant) !== undefined;
  }

  /** The one it was started with, whatever the tenant file says by now. */
  #serviceOf(verification: Verification) {
    return this.#client(this.#tenantOf(verification)).verify.v2.services(verification.serviceSid ?? '');
  }

  #tenantOf({ tenant }: Verification): Tenant {
    const known = this.#tenants.byName(tenant);
    if (!known) throw new Error(`tenant ${tenant} is no longer in the tenant file`);
    return known;
  }

  #client(tenant: Tenant): Twilio {
    return twilioClient(tenant, { timeoutMs: this.#timeoutMs });
  }
}

/** What events of the attempt carry, so that one which overtakes the answer finds its verification. */
const tagOf = ({ verificationId, number }: Pick<Attempt, 'verificationId' | 'number'>): string =>
  `${verificationId}.${number}`;

/** `send_code_attempts` as REST has it; what does not look like one is left out. */
function readAttempts(listed: unknown): ProviderAttempt[] {
  if (!Array.isArray(listed)) return [];
  return listed.flatMap((one: unknown) => {
    const { attempt_sid: sid, channel, time } = (one ?? {}) as Record<string, unknown>;
    if (typeof sid !== 'string') return [];
    const at = typeof time === 'string' ? new Date(time) : null;
    return [{ sid, channel: typeof channel === 'string' ? channel.toLowerCase() : '', at: isValid(at) ? at : null }];
  });
}

const isValid = (at: Date | null): at is Date => at !== null && !Number.isNaN(at.getTime());

function isoOf(date: unknown): string | null {
  return date instanceof Date && isValid(date) ? date.toISOString() : null;
}

/** What an error of a start means; anything unexpected is in doubt, because the call may have been made. */
function outcomeOfError(error: unknown): SendOutcome {
  if (error instanceof TwilioApiError) {
    const { status: httpStatus, failure, code, message, retryAfterMs } = error;
    if (httpStatus >= 500) return { kind: 'in_doubt', error: failure, httpStatus };
    const refusal = classOfRefusal(code, httpStatus, message);
    if (refusal === 'later') return { kind: 'put_off', error: failure, httpStatus, retryAfterMs };
    // A pace that is too fast is no lasting fault: without another channel the same one is tried later.
    if (refusal === 'next' && httpStatus === 429 && error.catalogued.retryable)
      return { kind: 'refused', error: failure, httpStatus, final: false, retryAfterMs: retryAfterMs ?? 0 };
    return { kind: 'refused', error: failure, httpStatus, final: refusal === 'final', retryAfterMs: null };
  }
  if (error instanceof TwilioTransportError) {
    const failure = unanswered(error.code);
    return error.outcome === 'not_sent'
      ? { kind: 'put_off', error: failure, httpStatus: null, retryAfterMs: null }
      : { kind: 'in_doubt', error: failure, httpStatus: null };
  }
  return { kind: 'in_doubt', error: describeFailure(null), httpStatus: null };
}

/** Source: Twilio's error dictionary, 20404, 20429, 60202. */
function checkOutcomeOfError(error: unknown): CheckOutcome {
  if (error instanceof TwilioTransportError && error.outcome === 'not_sent')
    return { kind: 'not_seen', error: unanswered(error.code), retryAfterMs: null };
  if (!(error instanceof TwilioApiError)) return { kind: 'unknown', error: unanswered('no answer') };
  const { status, code, failure, retryAfterMs } = error;
  if (status === 404) return { kind: 'gone', error: failure };
  if (code === 60202) return { kind: 'exhausted', error: failure };
  if (status === 429 || status === 401 || status === 403) return { kind: 'not_seen', error: failure, retryAfterMs };
  if (status >= 500) return { kind: 'unknown', error: failure };
  // A code of a form Twilio does not take was a wrong one.
  return { kind: 'checked', status: 'pending', sid: null };
}

async function timed<R>(operation: string, tenant: string, call: () => Promise<R>): Promise<R> {
  const stop = providerSeconds.startTimer({ operation });
  try {
    const result = await call();
    stop({ status: '2xx' });
    return result;
  } catch (error) {
    const answer = error instanceof TwilioApiError ? error : null;
    stop({ status: answer ? String(answer.status) : 'none' });
    if (answer?.status === 401 || answer?.code === 20003) credentialsRefused.inc({ tenant });
    throw error;
  }
}

const unanswered = (code: string) =>
  ({
    code: 'no_answer',
    class: 'retryable',
    title: `The provider did not answer: ${code}`,
    remedy:
      'Nothing to do: it is tried again, or looked up first when it may have arrived. See status.twilio.com if it lasts',
  }) as const;

const tenantGone = {
  code: 'unknown_tenant',
  class: 'configuration',
  title: 'The tenant is no longer in the tenant file',
  remedy: 'Put the tenant back, or let the verification run out',
} as const;
