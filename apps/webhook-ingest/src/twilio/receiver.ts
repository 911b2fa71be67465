import { createHash } from 'node:crypto';
import { topics } from '@signalbox/contracts';
import {
  type Accounts,
  authenticate,
  claimedUrls,
  diagnose,
  type PublicUrl,
  type RefusedCallback,
  type Refusals,
  tenantOf,
  type UnverifiedCallback,
  type VerifiedCallback,
} from '@signalbox/edge';
import { counter, gauge, type Logger } from '@signalbox/telemetry';
import type { Tenant } from '@signalbox/tenants';
import { type FormParams, parseJson, readStatusCallback } from '@signalbox/twilio';
import { type CallbackRequest, wrongType } from '../http/bodies.ts';
import type { Intake, Kept } from '../intake/intake.ts';
import type { TwilioCallback } from './callbacks.ts';
import type { AuthenticCallback } from './records/callback.rules.ts';
import { isFields, readStreamEvent, toParams } from './records/event-stream.rules.ts';

const tokenIndexes = counter(
  'signalbox_callback_token_index_total',
  'Authentic callbacks, by which of the secrets signed them; 0 is the first',
  ['tenant', 'scheme', 'index'],
);
const unverified = counter(
  'signalbox_callbacks_unverified_total',
  'Callbacks taken although their signature is wrong, because AUTH_MODE is report',
  ['route', 'cause'],
);
const unmapped = counter(
  'signalbox_stream_events_unmapped_total',
  'Events of Event Streams that no topic is meant for',
);

/** Takes what Twilio sends: verify, decode, make durable. When it returns, the callback may be answered. */
export class TwilioReceiver {
  readonly #report: boolean;

  constructor(
    private readonly publicUrls: readonly [PublicUrl, ...PublicUrl[]],
    private readonly tenants: Accounts,
    private readonly intake: Pick<Intake, 'keep'>,
    private readonly refusals: Refusals,
    private readonly logger: Logger,
    authMode: 'enforce' | 'report',
  ) {
    this.#report = authMode === 'report';
    gauge('signalbox_auth_report_mode', '1 while wrong signatures are reported and not refused').set(
      this.#report ? 1 : 0,
    );
    if (this.#report) logger.warn('AUTH_MODE is report: callbacks are taken whether their signature is right or not');
  }

  /** @throws ProblemException with the answer, when the callback cannot be taken */
  async take(callback: TwilioCallback, request: CallbackRequest): Promise<void> {
    const target = request.raw.url ?? '';
    const [first, ...others] = this.publicUrls;
    const header = request.headers['x-twilio-signature'];
    const received: UnverifiedCallback = {
      callback,
      urls: [first.of(target), ...others.map((url) => url.of(target))],
      body: bodyOf(callback, request),
      signature: typeof header === 'string' ? header : undefined,
    };
    const checked = authenticate(received, this.tenants);
    const verified = checked.ok ? checked : this.#unproven(this.#claim(checked, received), received, request);
    const kept = this.#decode(callback, verified);
    if (typeof kept === 'string')
      throw this.refusals.refuse({
        route: callback.route,
        cause: 'malformed',
        source: request.ip,
        authentic: true,
        details: { why: kept, tenant: verified.signer.name },
      });
    await this.intake.keep(callback.route, kept);
  }

  /** In report mode even what has no signature is looked into, for whose it claims to be. */
  #claim(refused: RefusedCallback, received: UnverifiedCallback): RefusedCallback {
    if (!this.#report || refused.cause !== 'missing_signature') return refused;
    const claim = authenticate({ ...received, signature: 'none' }, this.tenants);
    return claim.ok || claim.cause === 'malformed' ? refused : { ...claim, cause: refused.cause, why: refused.why };
  }

  /** Refuses; in report mode only what is of no account. */
  #unproven(refused: RefusedCallback, received: UnverifiedCallback, request: CallbackRequest): VerifiedCallback {
    const { route } = received.callback;
    const { cause, signedUrl } = this.#diagnose(refused, received, request);
    const details = {
      why: refused.why,
      accountSid: refused.accountSid?.slice(0, 40),
      // What the signature was checked against: where it differs from what Twilio was given, that is the fault.
      url: received.urls[0].slice(0, 300),
      ...(signedUrl !== undefined && { signedUrl: signedUrl.slice(0, 300) }),
    };
    const [signer] = refused.candidates;
    if (!this.#report || !signer || !refused.content)
      throw this.refusals.refuse({ route, cause, source: request.ip, details });
    unverified.inc({ route, cause });
    this.logger.warn({ route, cause, source: request.ip, ...details }, 'callback taken without proof of its sender');
    return { ok: true, signer, content: refused.content, url: received.urls[0], tokenIndex: -1, scheme: 'auth_token' };
  }

  /** Costs more than the check, so a source that is refused all the time gets none: it is counted as limited anyway. */
  #diagnose(refused: RefusedCallback, received: UnverifiedCallback, request: CallbackRequest) {
    if (!this.#report && this.refusals.isLimited(request.ip)) return { cause: refused.cause, signedUrl: undefined };
    return diagnose(refused, received, claimedUrls(request.raw.url ?? '', request.headers), this.tenants);
  }

  /** What is to be kept, or why it says nothing. */
  #decode(callback: TwilioCallback, verified: VerifiedCallback): Kept[] | string {
    const { signer, content, url, tokenIndex, scheme } = verified;
    if (tokenIndex >= 0) tokenIndexes.inc({ tenant: signer.name, scheme, index: tokenIndex });
    const receivedAt = new Date().toISOString();
    if ('params' in content) return this.#decodeOne(callback, content.params, signer, url, receivedAt);
    const parsed = parseJson(content.json.toString('utf8'));
    if (!parsed.ok) return parsed.why;
    const { value } = parsed;
    if (isFields(value) && typeof value['specversion'] !== 'string')
      return this.#decodeOne(callback, toParams(value), signer, url, receivedAt);
    const events = Array.isArray(value) ? (value as unknown[]) : [value];
    return events.map((event) => this.#decodeEvent(event, signer, receivedAt));
  }

  #decodeOne(
    { record }: TwilioCallback,
    params: FormParams,
    signer: Tenant,
    url: string,
    receivedAt: string,
  ): Kept[] | string {
    if (!record) return 'no CloudEvent';
    const named = params['AccountSid'] ?? params['account_sid'];
    const accountSid = typeof named === 'string' && named !== '' ? named : signer.twilio.accountSid;
    const tenant = tenantOf(accountSid, signer, this.tenants);
    if (!tenant) return "another tenant's account";
    const { correlationId } = readStatusCallback(url);
    const callback = { tenant: tenant.name, accountSid, params, correlationId, receivedAt, digest: digestOf(params) };
    const normalised = record.normalise(callback);
    if (!normalised.ok) return `no ${normalised.missing}`;
    return [{ topic: record.topic, record: normalised.record }];
  }

  /** Once acknowledged it is never sent again, so whatever it is, it is kept. */
  #decodeEvent(event: unknown, signer: Tenant, receivedAt: string): Kept {
    const read = readStreamEvent(event);
    const unusable = (reason: string): Kept => ({
      topic: read?.topic ?? topics.twilioDebuggerCallbacks,
      unusable: {
        key: read?.accountSid ?? signer.twilio.accountSid,
        tenant: signer.name,
        value: JSON.stringify(event) ?? 'null',
        reason,
      },
    });
    if (!read) return unusable('not a CloudEvent with id, type and data');
    const accountSid = read.accountSid ?? signer.twilio.accountSid;
    const tenant = tenantOf(accountSid, signer, this.tenants);
    if (!tenant) return unusable('of an account of another tenant that does not name the signer as its parent');
    const { params } = read.callback;
    const callback: AuthenticCallback = {
      ...read.callback,
      tenant: tenant.name,
      accountSid,
      receivedAt,
      digest: digestOf(params),
    };
    const normalised = read.normalise(callback);
    if (!normalised.ok) return unusable(`${read.callback.stream?.type ?? 'event'} without ${normalised.missing}`);
    if (!read.mapped) unmapped.inc();
    return { topic: read.topic, record: normalised.record };
  }
}

function bodyOf({ record, json }: TwilioCallback, { body }: CallbackRequest): string | Buffer {
  if (body === undefined) return '';
  if (typeof body === 'string' && record) return body;
  if (Buffer.isBuffer(body) && json) return body;
  throw wrongType();
}

function digestOf(params: FormParams): () => string {
  return () => {
    const sorted = Object.keys(params).sort();
    const text = JSON.stringify(sorted.map((name) => [name, params[name]]));
    return createHash('sha256').update(text).digest('base64url').slice(0, 22);
  };
}
