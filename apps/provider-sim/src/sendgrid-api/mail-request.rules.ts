import type { ErrorLine } from './sendgrid-error.ts';

export interface Address {
  readonly email: string;
  readonly name?: string;
}

export interface Personalization {
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string | null;
  readonly customArgs: Readonly<Record<string, string>>;
  readonly templateData: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Unix seconds. */
  readonly sendAt: number | null;
}

export interface MailRequest {
  readonly personalizations: readonly Personalization[];
  readonly from: Address;
  readonly replyTo: Address | null;
  readonly subject: string | null;
  readonly content: readonly { readonly type: string; readonly value: string }[];
  readonly attachments: readonly { readonly filename: string; readonly content: string }[];
  readonly templateId: string | null;
  readonly categories: readonly string[];
  readonly groupId: number | null;
  readonly pool: string | null;
  readonly sandbox: boolean;
  readonly bypassUnsubscribes: boolean;
}

export type MailReading =
  { readonly ok: true; readonly request: MailRequest } | { readonly ok: false; readonly errors: readonly ErrorLine[] };

type Json = Readonly<Record<string, unknown>>;

const documentation = 'http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html';
const most = { personalizations: 1000, recipients: 1000, categories: 10, customArgs: 10_000, sendAtSeconds: 72 * 3600 };
const reservedHeaders = new Set(
  'x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from subject reply-to cc bcc'.split(
    ' ',
  ),
);

/**
 * Reads the body of `POST /v3/mail/send` as SendGrid checks it, all faults at once. Its texts are ours, after SendGrid's.
 * Source: SendGrid, "Mail Send: errors" and "limitations".
 *
 * @param hasTemplate whether the account has this template with an active version
 */
export function readMailRequest(body: unknown, now: number, hasTemplate: (id: string) => boolean): MailReading {
  const errors: ErrorLine[] = [];
  const fault = (field: string | null, message: string) => {
    const help = field === null ? null : `${documentation}#message.${field.replace(/\.\d+/g, '')}`;
    errors.push({ message, field, help });
  };
  if (!isObject(body)) {
    fault(null, 'Bad Request');
    return { ok: false, errors };
  }
  const templateId = text(body['template_id']);
  if (templateId !== null && !hasTemplate(templateId)) {
    fault('template_id', 'The template_id must be a valid id of a template with an active version.');
  }
  const from = readAddress(body['from'], 'from', fault);
  const personalizations = readPersonalizations(body['personalizations'], now, fault);
  const subject = text(body['subject']);
  if (templateId === null && subject === null && personalizations.some((one) => one.subject === null)) {
    fault('subject', 'The subject is required. You can get around this requirement if you use a template.');
  }
  const content = readContent(body['content'], templateId !== null, fault);
  const attachments = readAttachments(body['attachments'], fault);
  const categories = readCategories(body['categories'], fault);
  const shared = readArguments(body['custom_args'], 'custom_args', fault);
  const groupId = readGroup(body['asm'], fault);
  const pool = text(body['ip_pool_name']);
  if (body['ip_pool_name'] !== undefined && (pool === null || pool.length < 2 || pool.length > 64)) {
    fault('ip_pool_name', 'The IP pool name must have 2 to 64 characters.');
  }
  readSendAt(body['send_at'], 'send_at', now, fault);
  if (errors.length > 0 || !from) return { ok: false, errors };
  const settings = isObject(body['mail_settings']) ? body['mail_settings'] : {};
  return {
    ok: true,
    request: {
      personalizations: personalizations.map((one) => ({ ...one, customArgs: { ...shared, ...one.customArgs } })),
      from,
      replyTo: body['reply_to'] === undefined ? null : (readAddress(body['reply_to'], 'reply_to', fault) ?? null),
      subject,
      content,
      attachments,
      templateId,
      categories,
      groupId,
      pool,
      sandbox: isEnabled(settings['sandbox_mode']),
      bypassUnsubscribes: isEnabled(settings['bypass_unsubscribe_management']),
    },
  };
}

type Fault = (field: string | null, message: string) => void;

function readPersonalizations(value: unknown, now: number, fault: Fault): Personalization[] {
  if (!Array.isArray(value) || value.length === 0) {
    fault('personalizations', 'The personalizations field is required and must have at least one personalization.');
    return [];
  }
  if (value.length > most.personalizations) {
    fault(
      'personalizations',
      `The personalization block is limited to 1000 personalizations per API request. You have provided ${value.length} personalizations.`,
    );
    return [];
  }
  const seen = new Set<string>();
  let recipients = 0;
  const read = value.map((raw: unknown, index): Personalization => {
    const field = `personalizations.${index}`;
    const one: Json = isObject(raw) ? raw : {};
    const addresses = (name: 'to' | 'cc' | 'bcc') => {
      const list: unknown = one[name];
      if (!Array.isArray(list)) return [];
      return list.flatMap((entry: unknown, at): Address[] => {
        const address = readAddress(entry, `${field}.${name}.${at}`, fault);
        if (!address) return [];
        recipients++;
        const key = address.email.toLowerCase();
        if (seen.has(key)) {
          const message =
            'Each unique email address in the personalizations array should only be included once. ' +
            'You have included an address more than once.';
          fault(`${field}.${name}.${at}`, message);
        }
        seen.add(key);
        return [address];
      });
    };
    const to = addresses('to');
    if (!Array.isArray(one['to']) || one['to'].length === 0) {
      fault(
        `${field}.to`,
        'The to array is required for all personalization objects, and must have at least one email.',
      );
    }
    readSendAt(one['send_at'], `${field}.send_at`, now, fault);
    return {
      to,
      cc: addresses('cc'),
      bcc: addresses('bcc'),
      subject: text(one['subject']),
      customArgs: readArguments(one['custom_args'], `${field}.custom_args`, fault),
      templateData: isObject(one['dynamic_template_data']) ? one['dynamic_template_data'] : {},
      headers: readHeaders(one['headers'], `${field}.headers`, fault),
      sendAt: typeof one['send_at'] === 'number' ? one['send_at'] : null,
    };
  });
  if (recipients > most.recipients) {
    fault('personalizations', 'There is a limit of 1000 total recipients (to + cc + bcc) per request.');
  }
  return read;
}

function readAddress(value: unknown, field: string, fault: Fault): Address | undefined {
  const email = isObject(value) ? text(value['email']) : null;
  const name = isObject(value) ? text(value['name']) : null;
  if (email === null || !isAddress(email)) {
    fault(`${field}.email`, 'Does not contain a valid address.');
    return undefined;
  }
  return { email, ...(name !== null && { name }) };
}

/** Stricter than SMTP, as SendGrid is: no comment, no quotes, a domain with a dot. */
export function isAddress(email: string): boolean {
  return /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,255}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/i.test(
    email,
  );
}

function readContent(value: unknown, hasTemplate: boolean, fault: Fault): MailRequest['content'] {
  if (value === undefined && hasTemplate) return [];
  if (!Array.isArray(value) || value.length === 0) {
    fault('content', 'Unless a valid template_id is provided, the content parameter is required.');
    return [];
  }
  const parts = value.map((part: unknown, index) => {
    const type = isObject(part) ? text(part['type']) : null;
    const content = isObject(part) ? text(part['value']) : null;
    if (type === null) fault(`content.${index}.type`, 'The content type is required.');
    if (content === null || content === '') {
      fault(`content.${index}.value`, 'The content value must be a string at least one character in length.');
    }
    return { type: type ?? '', value: content ?? '' };
  });
  const order = ['text/plain', 'text/html'];
  const known = parts.map(({ type }) => order.indexOf(type)).filter((rank) => rank >= 0);
  if (known.some((rank, index) => rank < (known[index - 1] ?? 0))) {
    fault('content', 'If present, text/plain and text/html must be the first two, in this order.');
  }
  return parts;
}

function readAttachments(value: unknown, fault: Fault): MailRequest['attachments'] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    fault('attachments', 'The attachments must be an array.');
    return [];
  }
  return value.map((one: unknown, index) => {
    const filename = isObject(one) ? text(one['filename']) : null;
    const content = isObject(one) ? text(one['content']) : null;
    if (!filename) fault(`attachments.${index}.filename`, 'The attachment filename is required.');
    if (!content || !/^[A-Za-z0-9+/]*={0,2}$/.test(content)) {
      fault(`attachments.${index}.content`, 'The attachment content must be base64 encoded.');
    }
    return { filename: filename ?? '', content: content ?? '' };
  });
}

function readCategories(value: unknown, fault: Fault): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string' && one.length <= 255)) {
    fault('categories', 'The categories must be strings of at most 255 characters.');
    return [];
  }
  if (value.length > most.categories) fault('categories', 'You cannot have more than 10 categories per request.');
  if (new Set(value).size < value.length) fault('categories', 'The categories must be unique.');
  return value as string[];
}

function readArguments(value: unknown, field: string, fault: Fault): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) {
    fault(field, 'The custom_args must be an object.');
    return {};
  }
  const entries = Object.entries(value);
  if (!entries.every(([, one]) => typeof one === 'string')) fault(field, 'The custom arg values must be strings.');
  if (Buffer.byteLength(JSON.stringify(value)) > most.customArgs) {
    fault(field, 'The total size of your custom arguments must be less than 10,000 bytes.');
  }
  return Object.fromEntries(entries.map(([name, one]): [string, string] => [name, String(one)]));
}

function readHeaders(value: unknown, field: string, fault: Fault): Record<string, string> {
  if (!isObject(value)) return {};
  for (const [name, content] of Object.entries(value)) {
    if (reservedHeaders.has(name.toLowerCase())) fault(`${field}.${name}`, `${name} is a reserved header.`);
    if (typeof content !== 'string') fault(`${field}.${name}`, 'Header values must be strings.');
  }
  return value as Record<string, string>;
}

function readGroup(value: unknown, fault: Fault): number | null {
  if (value === undefined) return null;
  const id = isObject(value) ? value['group_id'] : undefined;
  if (typeof id === 'number' && Number.isInteger(id)) return id;
  fault('asm.group_id', 'The asm group_id must be an integer.');
  return null;
}

function readSendAt(value: unknown, field: string, now: number, fault: Fault): void {
  if (value === undefined) return;
  const latest = Math.floor(now / 1000) + most.sendAtSeconds;
  if (typeof value !== 'number' || !Number.isInteger(value) || value > latest) {
    fault(field, 'The send_at must be Unix seconds, not more than 72 hours in the future.');
  }
}

function isEnabled(setting: unknown): boolean {
  return isObject(setting) && setting['enable'] === true;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
