import { basename } from 'node:path/win32';
import type { AttachmentReference, SendgridEmailReceived } from '@signalbox/contracts';
import { decodeText } from './charset.ts';
import { addressOf, findHeader } from './headers.ts';
import { cutToJsonBytes, jsonBytes } from './json-size.ts';
import type { PostedEmail, PostedField, PostedFile, Stage } from './posted.ts';

/** An inbound email before it is known whose it is and when it came. */
export type InboundEmail = Omit<SendgridEmailReceived, 'tenant' | 'receivedAt'>;

/**
 * Of JSON. Together with 300 attachment references of at most 1.1 kB and the recipients they stay below the 1 MB a Kafka record
 * may have.
 */
const bodyBytes = 200 * 1024;
const otherFieldsBytes = 128 * 1024;
const recipientsBytes = 64 * 1024;

/** `too_large`: more recipients than a record can name. */
export type EmailFault = 'not_an_email' | 'too_large';

/**
 * What was posted, decoded, each field by the charset SendGrid names for it. A field that is too long for a record is cut, and
 * `params` has the key of the blob with all of it, as it was posted: `sb_html_blob` for `html`.
 * Source: SendGrid, "Setting Up The Inbound Parse Webhook".
 */
export async function toInboundEmail(posted: PostedEmail, stage: Stage): Promise<InboundEmail | EmailFault> {
  const { fields, mime } = posted;
  if (!mime && !['envelope', 'headers', 'from'].some((name) => fields.has(name))) return 'not_an_email';

  const charsets = jsonObject(fields.get('charsets'));
  const decode = (name: string, field: PostedField) =>
    decodeText(field.head, textOf(charsets, name), { cut: field.blob !== undefined });
  const decoded = new Map([...fields].map(([name, field]) => [name, decode(name, field)]));
  const { from, to } = envelopeOf(posted, decoded);
  if (jsonBytes(to) > recipientsBytes) return 'too_large';

  const inline = new Map<string, string>();
  const blobs = new Map<string, string>();
  const fit = async (name: string, budget: number): Promise<number> => {
    const text = decoded.get(name) ?? '';
    const field = fields.get(name);
    if (!field) return 0;
    const cut = cutToJsonBytes(text, budget);
    inline.set(name, cut);
    if (field.blob) blobs.set(`sb_${name}_blob`, field.blob.key);
    else if (cut !== text) blobs.set(`sb_${name}_blob`, (await stage(once(field.head))).key);
    return jsonBytes(cut);
  };
  await fit('text', bodyBytes);
  await fit('html', bodyBytes);
  // Short ones first: what is told about an email must not give way to a long spam report.
  const others = [...decoded.keys()].filter((name) => name !== 'text' && name !== 'html');
  others.sort((a, b) => (decoded.get(a)?.length ?? 0) - (decoded.get(b)?.length ?? 0));
  let budget = otherFieldsBytes;
  for (const name of others) budget -= await fit(name, budget);

  // The raw option posts no field with them, and what an email answers is told by its headers alone.
  if (mime && !inline.has('headers')) {
    const [headers = ''] = mime.head.toString('latin1').split(/\r?\n\r?\n/, 1);
    inline.set('headers', cutToJsonBytes(headers, Math.max(0, budget)));
  }

  const params = [...inline].filter(([name]) => name !== 'text' && name !== 'html' && name !== 'subject');
  const source = decoded.get('headers') ?? mime?.head.toString('latin1') ?? '';
  return {
    resourceSid: findHeader(source, 'message-id')?.slice(0, 500) ?? `sha256:${posted.digest}`,
    correlationId: null,
    status: 'received',
    // The Date header says what the sender's clock said.
    providerTime: null,
    errorCode: null,
    from,
    to,
    subject: inline.get('subject') ?? null,
    text: inline.get('text') ?? null,
    html: inline.get('html') ?? null,
    raw: mime ? { ...noDescription, blob: mime.blob.key, bytes: mime.blob.bytes, sha256: mime.blob.sha256 } : null,
    attachments: attachmentsOf(posted),
    params: Object.fromEntries([...params, ...blobs]),
  };
}

const noDescription = { filename: null, contentType: 'message/rfc822', contentId: null };

/** Who sent it to whom in SMTP; by the header fields where an envelope is missing. The sender of a bounce is empty. */
function envelopeOf({ fields }: PostedEmail, decoded: ReadonlyMap<string, string>): { from: string; to: string[] } {
  const envelope = jsonObject(fields.get('envelope'));
  const from = textOf(envelope, 'from') ?? addressOf(decoded.get('from') ?? '') ?? '';
  const to: unknown = envelope['to'];
  const recipients = (Array.isArray(to) ? to : [to]).filter((one) => typeof one === 'string');
  if (recipients.length > 0) return { from, to: recipients };
  const header = addressOf(decoded.get('to') ?? '');
  return { from, to: header === undefined ? [] : [header] };
}

/** `attachment-info` has what the part's own header lacks, under `filename` or, as it was once, `name`. */
function attachmentsOf({ fields, attachments }: PostedEmail): AttachmentReference[] {
  const info = jsonObject(fields.get('attachment-info'));
  const partsByContentId = Object.entries(jsonObject(fields.get('content-ids')));
  return attachments.map(({ name, filename, contentType, blob }: PostedFile) => {
    const about = Object.hasOwn(info, name) && isObject(info[name]) ? info[name] : {};
    const contentId = textOf(about, 'content-id') ?? partsByContentId.find(([, part]) => part === name)?.[0];
    return {
      blob: blob.key,
      filename: printable(basename(textOf(about, 'filename') ?? textOf(about, 'name') ?? filename ?? ''), 100),
      contentType: printable(textOf(about, 'type') ?? contentType, 100),
      contentId: printable(contentId ?? '', 150),
      bytes: blob.bytes,
      sha256: blob.sha256,
    };
  });
}

/** Without control characters, and short: it is the sender's. Null when nothing is left. */
function printable(text: string, maxLength: number): string | null {
  return text.replaceAll(/\p{C}/gu, '').slice(0, maxLength).toWellFormed() || null;
}

/** A field that is a JSON object; empty when it is not. */
function jsonObject(field: PostedField | undefined): Readonly<Record<string, unknown>> {
  if (!field || field.blob) return {};
  try {
    const value: unknown = JSON.parse(field.head.toString());
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(object: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
