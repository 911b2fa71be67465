import type { Readable } from 'node:stream';
import { type BlobStore, BlobTooLarge, type StagedBlob } from '@signalbox/blob-store';
import {
  type PendingSignatureCheck,
  type SignatureClaim,
  type SignatureFault,
  startSignatureCheck,
} from '../signature.ts';
import { type EmailFault, type InboundEmail, toInboundEmail } from './email.ts';
import { type MultipartFault, type MultipartLimits, readMultipart } from './multipart.ts';
import { PostedEmailReader, type Stage } from './posted.ts';

export interface InboundRequest {
  /** The body as it arrives, e.g. Fastify's `request.raw`; neither read nor decompressed. */
  readonly body: Readable;
  /** The header. */
  readonly contentType: string | undefined;
  /** Left out where the sender is known by other means: a secret path and its addresses. */
  readonly signature?: SignatureClaim;
}

/** SendGrid takes emails of 30 MB, and adds its own fields to them. */
export const inboundLimits: MultipartLimits = { maxBytes: 35_000_000, maxParts: 300 };

export type InboundFault = MultipartFault | EmailFault | `signature_${SignatureFault}`;

export type InboundResult =
  | {
      readonly ok: true;
      readonly email: InboundEmail;
      /** Which public key matched; null when no signature was asked for. */
      readonly keyIndex: number | null;
      /** Removes the blobs of this email. Only when its record is certainly not stored: a publish that failed is in doubt. */
      readonly discard: () => Promise<void>;
    }
  | { readonly ok: false; readonly why: InboundFault };

/** What to answer. SendGrid posts again after a 5xx only. */
export const inboundFaultStatus = {
  malformed: 400,
  not_an_email: 400,
  aborted: 400,
  signature_missing: 403,
  signature_malformed: 403,
  signature_too_old: 403,
  signature_mismatch: 403,
  too_large: 413,
  too_many_parts: 413,
  not_multipart: 415,
} as const satisfies Record<InboundFault, number>;

/**
 * Takes a post of Inbound Parse as it comes: attachments and the MIME source go to the blob store while they arrive, the
 * signature is computed on the way, and when it is wrong, or anything else is, nothing stays behind.
 * What the sender does wrong is a fault value.
 * @throws an error of the blob store: the email was not taken and may be sent again
 */
export async function receiveInboundEmail(
  request: InboundRequest,
  blobs: Pick<BlobStore, 'stage'>,
  limits: MultipartLimits = inboundLimits,
): Promise<InboundResult> {
  const signature = request.signature && startSignatureCheck(request.signature);
  if (signature?.ok === false) return { ok: false, why: `signature_${signature.why}` };

  const staged: StagedBlob[] = [];
  const stage: Stage = async (source) => {
    const blob = await blobs.stage(source);
    staged.push(blob);
    return blob;
  };
  const discard = async () => {
    await Promise.all(staged.map((blob) => blob.discard()));
  };

  let accepted = false;
  try {
    const taken = await take(request, signature, stage, limits);
    if ('why' in taken) return { ok: false, why: taken.why };
    await Promise.all(staged.map((blob) => blob.commit()));
    accepted = true;
    return { ok: true, ...taken, discard };
  } catch (error) {
    if (error instanceof BlobTooLarge) return { ok: false, why: 'too_large' };
    throw error;
  } finally {
    if (!accepted) await discard();
  }
}

async function take(
  { body, contentType = '' }: InboundRequest,
  signature: PendingSignatureCheck | undefined,
  stage: Stage,
  limits: MultipartLimits,
): Promise<{ email: InboundEmail; keyIndex: number | null } | { why: InboundFault }> {
  const reader = new PostedEmailReader(stage);
  const fault = await readMultipart(body, contentType, limits, {
    chunk: (bytes) => signature?.update(bytes),
    part: (part) => reader.take(part),
  });
  if (fault) return { why: fault };
  const check = signature?.finish();
  if (check?.ok === false) return { why: `signature_${check.why}` };
  const email = await toInboundEmail(reader.end(), stage);
  return typeof email === 'string' ? { why: email } : { email, keyIndex: check?.keyIndex ?? null };
}
