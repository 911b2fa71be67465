import { messageIdArgument } from '@signalbox/sendgrid';
import type { MailDataRequired } from '@sendgrid/mail';
import { type Address, readAddress } from '../email/address.rules.ts';
import type { EmailBody } from '../email/body.store.ts';
import type { Email } from '../email/email.ts';
import { poolNameOf } from '../warmup/pool.rules.ts';

/** What SendGrid takes in one call. Source: SendGrid, "Mail Send: limitations". */
export const maxPersonalizations = 1000;

/**
 * One request of mail/send for emails that share a body key and a pool, each a personalization of its own.
 *
 * @param unsubscribeUrl where one click takes the recipient of a bulk email off the list; undefined for no such link
 */
export function toMail(
  emails: readonly Email[],
  body: EmailBody,
  unsubscribeUrl: (email: Email) => string | undefined,
): MailDataRequired {
  const [first] = emails;
  if (!first) throw new RangeError('a call needs an email');
  const { from, replyTo, templateId, categories, unsubscribeGroup } = first;
  const ipPool = poolNameOf(first);
  const content = [
    ...(body.text ? [{ type: 'text/plain', value: body.text }] : []),
    ...(body.html ? [{ type: 'text/html', value: body.html }] : []),
  ];
  return {
    from: toParty(from),
    ...(replyTo !== null && { replyTo: toParty(replyTo) }),
    ...(templateId === null ? { content } : { templateId }),
    ...(categories.length > 0 && { categories: [...categories] }),
    ...(unsubscribeGroup !== null && { asm: { groupId: unsubscribeGroup } }),
    ...(ipPool !== null && { ipPoolName: ipPool }),
    ...(body.attachments.length > 0 && { attachments: body.attachments.map(toAttachment) }),
    personalizations: emails.map((email) => ({
      to: toParty({ email: email.to, name: email.toName }),
      ...(email.subject !== '' && { subject: email.subject }),
      ...(email.templateData !== null && { dynamicTemplateData: { ...email.templateData } }),
      customArgs: { [messageIdArgument]: email.id },
      ...withUnsubscribe(email.lane === 'bulk' ? unsubscribeUrl(email) : undefined),
    })),
  } as MailDataRequired;
}

/** Source: RFC 8058. */
function withUnsubscribe(url: string | undefined): { headers?: Record<string, string> } {
  if (url === undefined) return {};
  return { headers: { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } };
}

function toParty(written: string | Address): { email: string; name?: string } {
  const address = typeof written === 'string' ? (readAddress(written) ?? { email: written, name: null }) : written;
  return { email: address.email, ...(address.name !== null && { name: address.name }) };
}

function toAttachment({ filename, contentType, content, contentId }: EmailBody['attachments'][number]) {
  return {
    filename,
    type: contentType,
    content,
    ...(contentId ? { disposition: 'inline', contentId } : { disposition: 'attachment' }),
  };
}
