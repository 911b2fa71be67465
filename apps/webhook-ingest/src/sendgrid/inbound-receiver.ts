import { createHash, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobStore } from '@signalbox/blob-store';
import { topics } from '@signalbox/contracts';
import { callbacks, networkOf, type RefusalCause, type Refusals } from '@signalbox/edge';
import { ProblemException } from '@signalbox/service';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import {
  inboundFaultStatus,
  inboundLimits,
  type InboundRequest,
  type InboundResult,
  receiveInboundEmail,
  signatureHeaders,
  startSignatureCheck,
  toInboundRecord,
} from '@signalbox/sendgrid';
import { includesAddress } from '../http/address-list.ts';
import { type CallbackRequest, wrongType } from '../http/bodies.ts';
import type { Intake } from '../intake/intake.ts';
import { causes } from './event-receiver.ts';
import { type RoomLimits, StagingRoom } from './staging-room.ts';
import { hintedFirst, singleHeader } from './tenant-hint.ts';

const route = '/sendgrid/inbound';

/** Takes what SendGrid's Inbound Parse posts, as it comes: the record to the topic, attachments to the blob store. */
export class SendgridInboundReceiver {
  /** Apart, so that nobody unproven can keep out who has shown the secret of the path. */
  readonly #rooms: { readonly unproven: StagingRoom; readonly proven: StagingRoom };

  constructor(
    private readonly tenants: Pick<TenantDirectory, 'all'>,
    private readonly blobs: Pick<BlobStore, 'stage'>,
    private readonly intake: Pick<Intake, 'keep'>,
    private readonly refusals: Refusals,
    /** Of each of the two kinds. */
    limits: RoomLimits,
  ) {
    this.#rooms = { unproven: new StagingRoom(limits), proven: new StagingRoom(limits) };
  }

  /** @throws ProblemException with the answer, when the email cannot be taken */
  async take(request: CallbackRequest): Promise<void> {
    const { body } = request;
    if (!(body instanceof Readable)) throw wrongType();
    // Before it may take a place; without the header it is counted while it comes.
    if (Number(request.headers['content-length'] ?? 0) > inboundLimits.maxBytes)
      throw this.#refuse(request, { ok: false, why: 'too_large' });
    const received =
      request.params.secret === undefined
        ? await this.#signed(request, body)
        : await this.#addressed(request, body, request.params.secret);
    const { result, tenant } = received;
    const record = toInboundRecord(result.email, { tenant: tenant.name, receivedAt: new Date().toISOString() });
    // When this fails its blobs stay: the record may be stored all the same, and the one SendGrid's repeat makes, being equal,
    // is skipped by whoever has seen it.
    await this.intake.keep(route, [{ topic: topics.sendgridInboundCallbacks, record }]);
  }

  /** Whose it is, is told by the key; known only when all has been read. */
  async #signed(request: CallbackRequest, body: Readable): Promise<Received> {
    const keyring = hintedFirst(this.tenants.all, request.raw.url ?? '').flatMap((tenant) =>
      (tenant.sendgrid?.inboundParse?.publicKeys ?? []).map((key) => ({ tenant, key })),
    );
    if (keyring.length === 0) throw this.#unproven(request, 'unknown_account');
    const result = await this.#receive(request, this.#rooms.unproven, {
      body,
      contentType: request.headers['content-type'],
      signature: {
        timestamp: singleHeader(request.headers[signatureHeaders.timestamp]),
        signature: singleHeader(request.headers[signatureHeaders.signature]),
        publicKeys: keyring.map(({ key }) => key),
      },
    });
    if (!result.ok) throw this.#refuse(request, result);
    const matched = keyring[result.keyIndex ?? -1];
    if (!matched) throw new Error('a signature matched a key that was not given');
    return { result, tenant: matched.tenant };
  }

  /** By the secret in the path, and the addresses it may be used from. */
  async #addressed(request: CallbackRequest, body: Readable, secret: string): Promise<Received> {
    const tenant = this.tenants.all.find(({ sendgrid }) => isSame(sendgrid?.inboundParse?.secretPath, secret));
    const inbound = tenant?.sendgrid?.inboundParse;
    if (!tenant || !inbound) throw this.#unproven(request, 'unknown_account');
    if (inbound.allowedSources && !includesAddress(inbound.allowedSources, request.ip))
      throw this.#unproven(request, 'source_not_allowed');
    const post = { body, contentType: request.headers['content-type'] };
    const result = await this.#receive(request, this.#rooms.proven, post);
    if (!result.ok) throw this.#refuse(request, result, true);
    return { result, tenant };
  }

  /**
   * Takes it down when there is room for it.
   * @throws ProblemException: SendGrid posts again for three days after a 5xx, and after nothing else
   */
  async #receive(request: CallbackRequest, room: StagingRoom, post: InboundRequest): Promise<InboundResult> {
    // What cannot be proven anyway takes no place.
    const fault = post.signature && startSignatureCheck(post.signature);
    if (fault?.ok === false) return { ok: false, why: `signature_${fault.why}` };
    const leave = await room.enter(networkOf(request.ip), post.body);
    if (!leave) {
      callbacks.inc({ route, result: 'busy' });
      throw new ProblemException(503, 'Service Unavailable', busy, {}, { 'retry-after': '30' });
    }
    try {
      return await receiveInboundEmail(post, this.blobs);
    } finally {
      leave();
    }
  }

  #unproven(request: CallbackRequest, cause: RefusalCause) {
    return this.refusals.refuse({ route, cause, source: request.ip, details: {} });
  }

  #refuse(request: CallbackRequest, { why }: InboundResult & { ok: false }, authentic = false) {
    const fault = /^signature_(\w+)$/.exec(why)?.[1] as keyof typeof causes | undefined;
    const cause = fault ? causes[fault] : 'malformed';
    return this.refusals.refuse({
      route,
      cause,
      source: request.ip,
      authentic,
      details: { why },
      status: inboundFaultStatus[why],
    });
  }
}

const busy = 'As many emails are being received as there is room for, send it again';

interface Received {
  readonly result: InboundResult & { readonly ok: true };
  readonly tenant: Tenant;
}

/** Digests, because the time a comparison takes may not depend on the length either. */
function isSame(secret: string | undefined, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return secret !== undefined && timingSafeEqual(digest(secret), digest(given));
}
