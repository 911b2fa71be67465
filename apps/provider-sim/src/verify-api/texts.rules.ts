import type { VerificationRequest } from './verification-request.rules.ts';
import type { ServiceSettings } from './verify-service.rules.ts';

export interface Template {
  readonly sid: string;
  readonly friendlyName: string;
  readonly channels: readonly ('sms' | 'voice')[];
  readonly translations: Readonly<Record<string, string>>;
}

/** Every account has these two. */
export const templates: readonly Template[] = [
  {
    sid: 'HJ00000000000000000000000000000001',
    friendlyName: 'Code only',
    channels: ['sms'],
    translations: {
      en: 'Your {{friendly_name}} code is: {{code}}',
      de: 'Ihr Code für {{friendly_name}}: {{code}}',
    },
  },
  {
    sid: 'HJ00000000000000000000000000000002',
    friendlyName: 'Code, link and lifetime',
    channels: ['sms', 'voice'],
    translations: {
      en: '{{code}} is your {{friendly_name}} code for {{reference}}, for {{ttl}} minutes',
    },
  },
];

const builtIn: Readonly<Record<string, string>> = {
  en: 'Your {{friendly_name}} verification code is: {{code}}',
  de: 'Ihr Bestätigungscode für {{friendly_name}} lautet: {{code}}',
  es: 'Su código de verificación de {{friendly_name}} es: {{code}}',
  fr: 'Votre code de vérification {{friendly_name}} est : {{code}}',
  pt: 'Seu código de verificação de {{friendly_name}} é: {{code}}',
};

const WARNING = ". Don't share this code with anyone; our employees will never ask for the code";

export type Text = { ok: true; text: string } | { ok: false; code: number };

/** What the person gets to read or hear, the code in it; an unknown locale is English, as Twilio has it. */
export function textFor(
  request: VerificationRequest,
  service: ServiceSettings,
  code: string,
  ttlMinutes: number,
): Text {
  const template = templates.find(({ sid }) => sid === request.templateSid);
  if (request.templateSid !== null && !template) return { ok: false, code: 60228 };
  const medium = request.channel === 'call' ? 'voice' : request.channel;
  const applies = template?.channels.some((channel) => channel === medium) ?? false;
  const translations = template && applies ? template.translations : builtIn;
  const language = request.locale.split('-')[0] ?? '';
  const pattern = translations[request.locale] ?? translations[language] ?? translations['en'] ?? '';
  const values: Record<string, string> = {
    ...request.substitutions,
    friendly_name: request.customFriendlyName ?? service.friendlyName,
    code,
    ttl: String(ttlMinutes),
  };
  const names = [...pattern.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name ?? '');
  if (names.some((name) => values[name] === undefined)) return { ok: false, code: 60224 };
  const text = pattern.replace(/\{\{(\w+)\}\}/g, (_all, name: string) => values[name] ?? '');
  const warning = service.doNotShareWarningEnabled && request.channel === 'sms' ? WARNING : '';
  const hash = request.appHash === null ? ['', ''] : ['<#> ', ` ${request.appHash}`];
  return { ok: true, text: `${hash[0]}${text}${warning}${hash[1]}` };
}
