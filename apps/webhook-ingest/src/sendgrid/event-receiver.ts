import { topics } from '@signalbox/contracts';
import { counter } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { checkEventSignature, parseEventBatch, signatureHeaders, type SignatureFault } from '@signalbox/sendgrid';
import { type CallbackRequest, wrongType } from '../http/bodies.ts';
import { unzip } from '../http/unzip.ts';
import type { Intake, Kept } from '../intake/intake.ts';
import type { RefusalCause, Refusals } from '@signalbox/edge';
import { hintedFirst, singleHeader } from './tenant-hint.ts';

/** SendGrid closes a batch at 768 kB. */
export const eventsLimit = 8 * 1024 * 1024;

const route = '/sendgrid/events';

const keyIndexes = counter(
  'signalbox_sendgrid_key_index_total',
  'Authentic event batches, by which of the public keys matched; 0 is the first',
  ['tenant', 'index'],
);

type Keyring = readonly { readonly tenant: Tenant; readonly index: number; readonly key: string }[];

/** Takes the batches of SendGrid's Event Webhook: one record per event; what is malformed spoils nothing but itself. */
export class SendgridEventReceiver {
  constructor(
    private readonly tenants: Pick<TenantDirectory, 'all'>,
    private readonly intake: Pick<Intake, 'keep'>,
    private readonly refusals: Refusals,
    /** Seconds after which a signature no longer counts; undefined: never, since SendGrid sends again for a day. */
    private readonly maxAgeSeconds: number | undefined,
  ) {}

  /** @throws ProblemException with the answer, when the batch cannot be taken */
  async take(request: CallbackRequest): Promise<void> {
    const sent = request.body;
    if (sent !== undefined && !Buffer.isBuffer(sent)) throw wrongType();
    const encoding = singleHeader(request.headers['content-encoding'])?.trim().toLowerCase() ?? 'identity';
    if (!['identity', '', 'gzip', 'x-gzip'].includes(encoding)) throw wrongType();
    const { tenant, body } = await this.#verify(request, sent ?? Buffer.alloc(0), encoding.endsWith('gzip'));

    const batch = parseEventBatch(body, { tenant: tenant.name, receivedAt: new Date().toISOString() });
    if (!batch.ok) {
      const details = { why: batch.why, tenant: tenant.name };
      throw this.refusals.refuse({ route, cause: 'malformed', source: request.ip, authentic: true, details });
    }
    const topic = topics.sendgridEventCallbacks;
    const kept = batch.elements.map((element): Kept => {
      if (element.ok) return { topic, record: element.record };
      const { why, json } = element;
      return { topic, unusable: { key: tenant.name, tenant: tenant.name, value: json, reason: why } };
    });
    await this.intake.keep(route, kept);
  }

  /** A signature over the zipped bytes or over what they hold: either says what the events are. */
  async #verify(request: CallbackRequest, sent: Buffer, zipped: boolean): Promise<{ tenant: Tenant; body: Buffer }> {
    const keyring: Keyring = hintedFirst(this.tenants.all, request.raw.url ?? '').flatMap((tenant) =>
      (tenant.sendgrid?.eventPublicKeys ?? []).map((key, index) => ({ tenant, index, key })),
    );
    const check = (rawBody: Buffer) =>
      checkEventSignature({
        rawBody,
        timestamp: singleHeader(request.headers[signatureHeaders.timestamp]),
        signature: singleHeader(request.headers[signatureHeaders.signature]),
        publicKeys: keyring.map(({ key }) => key),
        ...(this.maxAgeSeconds !== undefined && { window: { seconds: this.maxAgeSeconds, now: new Date() } }),
      });
    let checked = check(sent);
    let body = sent;
    // Nothing is unzipped for a request that has no signature to check.
    if (zipped && (checked.ok || checked.why === 'mismatch')) {
      const unzipped = await unzip(sent, eventsLimit);
      if (unzipped.ok) {
        body = unzipped.body;
        if (!checked.ok) checked = check(body);
      } else {
        const status = unzipped.why === 'too_large' ? 413 : 400;
        const details = { why: unzipped.why };
        const authentic = checked.ok;
        throw this.refusals.refuse({ route, cause: 'malformed', source: request.ip, authentic, details, status });
      }
    }
    if (!checked.ok) {
      const cause = causes[checked.why];
      throw this.refusals.refuse({ route, cause, source: request.ip, details: { why: checked.why } });
    }
    const matched = keyring[checked.keyIndex];
    if (!matched) throw new Error('a signature matched a key that was not given');
    keyIndexes.inc({ tenant: matched.tenant.name, index: matched.index });
    return { tenant: matched.tenant, body };
  }
}

export const causes: Readonly<Record<SignatureFault, RefusalCause>> = {
  missing: 'missing_signature',
  malformed: 'forged',
  mismatch: 'forged',
  too_old: 'stale',
};
