import type { KnownMailboxProvider } from '@signalbox/tenants';
import { domainOf } from '../email/address.rules.ts';

/**
 * Who keeps the mailboxes of a domain: those who judge a sender as one. `yahoo.*` stands for the ends of countries (`yahoo.fr`,
 * `yahoo.co.uk`). What the names do not tell, domains of companies that Google or Microsoft keep, is for the tenant file.
 * Sources: the sender pages of Google, Yahoo (which keeps AOL's and some carriers' mailboxes; yahoo.co.jp is another company's),
 * Microsoft, Apple, 1&1 Mail & Media, Proton, Zoho, Comcast, Orange, La Poste, Libero, Naver, Tencent, NetEase, VK and Yandex.
 */
const domains: Readonly<Record<KnownMailboxProvider, readonly string[]>> = {
  gmail: ['gmail.com', 'googlemail.com'],
  yahoo: [
    ...['yahoo.*', 'ymail.com', 'rocketmail.com', 'myyahoo.com', 'aol.*', 'aim.com', 'netscape.net', 'verizon.net'],
    ...['att.net', 'sbcglobal.net', 'bellsouth.net', 'pacbell.net', 'ameritech.net', 'swbell.net', 'cox.net'],
  ],
  outlook: ['outlook.*', 'hotmail.*', 'live.*', 'msn.com', 'windowslive.com', 'passport.com'],
  icloud: ['icloud.com', 'me.com', 'mac.com', 'privaterelay.appleid.com'],
  gmx: ['gmx.*', 'gmx.net', 'web.de', 'mail.com', '1und1.de'],
  tonline: ['t-online.de', 'magenta.de'],
  proton: ['proton.me', 'protonmail.com', 'protonmail.ch', 'pm.me'],
  zoho: ['zoho.com', 'zoho.eu', 'zoho.in', 'zohomail.com', 'zohomail.eu', 'zohomail.in'],
  comcast: ['comcast.net', 'xfinity.com'],
  orange: ['orange.fr', 'wanadoo.fr'],
  laposte: ['laposte.net'],
  libero: ['libero.it', 'virgilio.it', 'inwind.it', 'iol.it', 'blu.it', 'giallo.it'],
  yahoo_japan: ['yahoo.co.jp', 'ybb.ne.jp'],
  naver: ['naver.com'],
  qq: ['qq.com', 'foxmail.com'],
  netease: ['163.com', '126.com', 'yeah.net'],
  mailru: ['mail.ru', 'bk.ru', 'inbox.ru', 'list.ru', 'internet.ru'],
  yandex: ['ya.ru', 'yandex.*'],
};

const providers = new Map(
  Object.entries(domains).flatMap(([provider, names]) => names.map((name) => [name, provider] as const)),
);

/** A country's end behind a name: `.fr`, `.co.uk`, `.com.br`; `.com` itself among them. */
const countryEnd = /^(?:com|[a-z]{2}|com?\.[a-z]{2})$/;

/**
 * Who keeps a recipient's mailbox: one of those known here, a name of the tenant's, or `other`.
 *
 * @param address in lower case, without a name
 * @param own the tenant's domains by provider (`email.mailboxProviders`); they count first
 */
export function mailboxProviderOf(address: string, own: Readonly<Record<string, readonly string[]>> = {}): string {
  const domain = domainOf(address);
  for (const [provider, names] of Object.entries(own)) if (names.includes(domain)) return provider;
  const exact = providers.get(domain);
  if (exact !== undefined) return exact;
  const dot = domain.indexOf('.');
  const family = countryEnd.test(domain.slice(dot + 1)) ? providers.get(`${domain.slice(0, dot)}.*`) : undefined;
  return family ?? 'other';
}
