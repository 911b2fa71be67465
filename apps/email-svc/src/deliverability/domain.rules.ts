import { knownMailboxProviders, type Tenant } from '@signalbox/tenants';
import { domainOf, readAddress } from '../email/address.rules.ts';
import { mailboxProviderOf } from '../mailbox/mailbox.rules.ts';

/** `unknown`: it could not be found out, and `why` says what came in between. */
export type Verdict = 'valid' | 'invalid' | 'missing' | 'unknown';

/** A DNS record that SendGrid looks for, and what it found. */
export interface RecordCheck {
  /** SendGrid's name of it: `mail_cname`, `dkim1`, `subdomain_spf`, … */
  readonly name: string;
  readonly valid: boolean;
  readonly reason: string | null;
}

/** What SendGrid says of a domain. */
export interface SendgridCheck {
  readonly verdict: Verdict;
  /** The authenticated domain that signs for it: itself, or one above it. */
  readonly domain: string | null;
  readonly records: readonly RecordCheck[];
  readonly why: string | null;
}

export interface DmarcCheck {
  readonly verdict: Verdict;
  /** Where the record stands: at the domain, or above it. */
  readonly at: string | null;
  /** What is to become of emails that fail: `none`, `quarantine`, `reject`. */
  readonly policy: string | null;
  readonly why: string | null;
}

export interface DomainFault {
  readonly code: string;
  readonly title: string;
  readonly remedy: string;
}

export interface DomainReport {
  readonly sendgrid: SendgridCheck;
  readonly spf: Verdict;
  readonly dkim: Verdict;
  readonly dmarc: DmarcCheck;
  readonly faults: readonly DomainFault[];
}

/** Lines of a DMARC look-up: the TXT records of `_dmarc.` names, from the domain upwards; an error stands for itself. */
export interface DmarcAnswer {
  readonly at: string;
  /** Empty: there is no such record. */
  readonly records: readonly string[];
  readonly error: string | null;
}

/** The domains that a tenant's file sends from: its default sender's, and those that have quotas or pools of their own. */
export function domainsOfTenant({ sendgrid, email }: Pick<Tenant, 'sendgrid' | 'email'>): string[] {
  const written = [
    ...(sendgrid?.from === undefined ? [] : [sendgrid.from]),
    ...Object.keys(sendgrid?.quotas?.senders ?? {}),
    ...Object.keys(email?.pools?.senders ?? {}),
  ];
  return [...new Set(written.map((one) => domainOf(readAddress(one)?.email ?? one.toLowerCase())))];
}

/** A domain and those above it, down to two labels: `news.shop.example`, `shop.example`. */
export function upwards(domain: string): string[] {
  const labels = domain.split('.');
  return labels.slice(0, Math.max(1, labels.length - 1)).map((_label, index) => labels.slice(index).join('.'));
}

/**
 * Reads DMARC records: the first name upwards that has one counts; two of them are as good as none.
 * Source: RFC 7489, 6.3 and 6.6.3; the organizational domain is found by walking upwards, as its successor does.
 */
export function readDmarc(domain: string, answers: readonly DmarcAnswer[]): DmarcCheck {
  for (const { at, records, error } of answers) {
    const found = records.filter((record) => /^v\s*=\s*DMARC1\s*(;|$)/.test(record));
    if (found.length === 0 && error !== null) return { verdict: 'unknown', at: null, policy: null, why: error };
    if (found.length === 0) continue;
    if (found.length > 1) return invalid(at, 'there are several records, which count as none');
    const tags = tagsOf(found[0] ?? '');
    const policy = (at === domain ? undefined : tags.get('sp')) ?? tags.get('p');
    if (policy === undefined || !['none', 'quarantine', 'reject'].includes(policy)) {
      return invalid(at, 'its p is none of none, quarantine and reject');
    }
    return { verdict: 'valid', at, policy, why: null };
  }
  return { verdict: 'missing', at: null, policy: null, why: null };
}

function invalid(at: string, why: string): DmarcCheck {
  return { verdict: 'invalid', at, policy: null, why };
}

function tagsOf(record: string): Map<string, string> {
  return new Map(
    record.split(';').flatMap((part) => {
      const [name = '', value] = part.split('=', 2).map((text) => text.trim().toLowerCase());
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** Puts together what is known of a domain, and what is wrong with it. */
export function reportOf(domain: string, sendgrid: SendgridCheck, dmarc: DmarcCheck): DomainReport {
  const spf = verdictOf(sendgrid, (name) => name === 'mail_cname' || name.endsWith('spf'));
  const dkim = verdictOf(sendgrid, (name) => name.startsWith('dkim'));
  const faults = [
    ...freeMail(domain),
    ...(sendgrid.verdict === 'missing' ? [domainFaults.notAuthenticated] : []),
    ...(sendgrid.verdict === 'unknown' ? [unknown(domainFaults.sendgridUnknown, sendgrid.why)] : []),
    ...(spf === 'invalid' ? [domainFaults.spf] : []),
    ...(dkim === 'invalid' ? [domainFaults.dkim] : []),
    // Its records are all there, and SendGrid has not looked since, or misses another one.
    ...(sendgrid.verdict === 'invalid' && spf !== 'invalid' && dkim !== 'invalid' ? [domainFaults.notValidated] : []),
    ...(dmarc.verdict === 'missing' ? [domainFaults.noDmarc] : []),
    ...(dmarc.verdict === 'invalid' ? [unknown(domainFaults.dmarcInvalid, dmarc.why)] : []),
    ...(dmarc.verdict === 'unknown' ? [unknown(domainFaults.dmarcUnknown, dmarc.why)] : []),
  ];
  return { sendgrid, spf, dkim, dmarc, faults };
}

/** What can be said of a domain without asking anybody. */
export function freeMail(domain: string): DomainFault[] {
  const provider = mailboxProviderOf(`a@${domain}`);
  return (knownMailboxProviders as readonly string[]).includes(provider) ? [domainFaults.freeMail] : [];
}

function verdictOf({ verdict, records }: SendgridCheck, isIt: (name: string) => boolean): Verdict {
  if (verdict === 'missing' || verdict === 'unknown') return verdict;
  const ours = records.filter(({ name }) => isIt(name));
  if (ours.length === 0) return verdict;
  return ours.every(({ valid }) => valid) ? 'valid' : 'invalid';
}

function unknown(fault: DomainFault, why: string | null): DomainFault {
  return why === null ? fault : { ...fault, title: `${fault.title}: ${why}` };
}

export const domainFaults = {
  freeMail: {
    code: 'free_mail',
    title: 'The domain belongs to a mailbox provider, which alone may send from it',
    remedy: 'Send from a domain of your own',
  },
  notAuthenticated: {
    code: 'not_authenticated',
    title: 'SendGrid has not authenticated the domain, nor one above it',
    remedy: 'Authenticate it: Settings, Sender Authentication, or POST /v3/whitelabel/domains',
  },
  notValidated: {
    code: 'not_validated',
    title: 'SendGrid does not call the domain valid',
    remedy: 'Look at its records under Settings, Sender Authentication, and verify it there',
  },
  spf: {
    code: 'spf_invalid',
    title: 'SendGrid does not find the record of the return path, on which SPF stands',
    remedy: 'Set the record that SendGrid shows for the domain',
  },
  dkim: {
    code: 'dkim_invalid',
    title: 'SendGrid does not find its DKIM keys in the DNS of the domain',
    remedy: 'Set the records that SendGrid shows for the domain',
  },
  noDmarc: {
    code: 'dmarc_missing',
    title: 'There is no DMARC record, without which Gmail and Yahoo refuse bulk email',
    remedy: 'Publish a TXT record _dmarc.<domain>, to begin with v=DMARC1; p=none; rua=mailto:…',
  },
  dmarcInvalid: {
    code: 'dmarc_invalid',
    title: 'The DMARC record is faulty, and counts as none',
    remedy: 'Correct the TXT record of _dmarc.<domain>',
  },
  sendgridUnknown: {
    code: 'sendgrid_unknown',
    title: 'SendGrid could not be asked for the domain',
    remedy: 'Give the key the scopes whitelabel.read and whitelabel.create; it is tried again',
  },
  dmarcUnknown: {
    code: 'dmarc_unknown',
    title: 'DMARC could not be looked up',
    remedy: 'Look at the DNS that the service asks; it is tried again',
  },
} as const satisfies Record<string, DomainFault>;
