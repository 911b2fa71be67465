export interface Domain {
  readonly id: number;
  readonly domain: string;
  readonly subdomain: string;
  valid: boolean;
  /** Which of its DNS records are found; set by `POST /_sim/sendgrid`. */
  records: { mail_cname: boolean; dkim1: boolean; dkim2: boolean };
  default: boolean;
}

/** Authenticated domains of one account. */
export class Domains {
  readonly #all = new Map<number, Domain>();

  get all(): Domain[] {
    return [...this.#all.values()];
  }

  find(id: number): Domain | undefined {
    return this.#all.get(id);
  }

  /** Another of the same name takes its place. */
  put(domain: string, fields: Partial<Pick<Domain, 'subdomain' | 'default' | 'records' | 'valid'>> = {}): Domain {
    const known = this.all.find((one) => one.domain === domain);
    const id = known?.id ?? this.#all.size + 1;
    const made: Domain = {
      id,
      domain,
      subdomain: fields.subdomain ?? 'em',
      valid: fields.valid ?? false,
      records: fields.records ?? { mail_cname: true, dkim1: true, dkim2: true },
      default: fields.default ?? false,
    };
    this.#all.set(id, made);
    return made;
  }

  remove(id: number): boolean {
    return this.#all.delete(id);
  }
}

/** A domain as the API shows it, with the DNS records that its owner has to make. */
export function domainResource({ id, domain, subdomain, valid, records, default: isDefault }: Domain) {
  const record = (host: string, data: string, found: boolean) => ({ valid: valid && found, type: 'cname', host, data });
  return {
    id,
    user_id: 1,
    subdomain,
    domain,
    username: 'signalbox',
    ips: [],
    custom_spf: false,
    default: isDefault,
    legacy: false,
    automatic_security: true,
    valid,
    dns: {
      mail_cname: record(`${subdomain}.${domain}`, 'u1.wl.sendgrid.net', records.mail_cname),
      dkim1: record(`s1._domainkey.${domain}`, 's1.domainkey.u1.wl.sendgrid.net', records.dkim1),
      dkim2: record(`s2._domainkey.${domain}`, 's2.domainkey.u1.wl.sendgrid.net', records.dkim2),
    },
  };
}

/** Looks the records up; the domain is valid when all are found. */
export function validate(domain: Domain) {
  const { mail_cname, dkim1, dkim2 } = domain.records;
  domain.valid = mail_cname && dkim1 && dkim2;
  const verdict = (found: boolean, host: string) => ({
    valid: found,
    reason: found ? null : `Expected CNAME for "${host}" to match, but found none`,
  });
  return {
    id: domain.id,
    valid: domain.valid,
    validation_results: {
      mail_cname: verdict(mail_cname, `${domain.subdomain}.${domain.domain}`),
      dkim1: verdict(dkim1, `s1._domainkey.${domain.domain}`),
      dkim2: verdict(dkim2, `s2._domainkey.${domain.domain}`),
    },
  };
}
