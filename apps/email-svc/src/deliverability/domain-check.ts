import { Resolver } from 'node:dns/promises';
import type { FactoryProvider } from '@nestjs/common';
import { SendgridApiError, type SendgridClient, SendgridTransportError } from '@signalbox/sendgrid';
import { CONFIG, type EmailConfig } from '../config.ts';
import {
  type DmarcAnswer,
  type DomainReport,
  readDmarc,
  type RecordCheck,
  reportOf,
  type SendgridCheck,
  upwards,
} from './domain.rules.ts';

/** Text records by name; rejects with `code` as node:dns does. */
export interface Dns {
  resolveTxt(name: string): Promise<string[][]>;
  /** Ends what is being looked up, which rejects. */
  cancel(): void;
}

/** To inject what looks names up. */
export const DNS = Symbol('dns');

/** Milliseconds of one try, of which there are two per server. */
const tryMs = 2_000;

/** What looks names up at these servers, or at those of the system. */
export function resolverOf(servers: readonly string[] | undefined): Dns {
  const resolver = new Resolver({ timeout: tryMs, tries: 2 });
  if (servers) resolver.setServers(servers);
  return resolver;
}

export const dns: FactoryProvider = {
  provide: DNS,
  inject: [CONFIG],
  useFactory: ({ DNS_SERVERS }: EmailConfig) => resolverOf(DNS_SERVERS),
};

/** A domain as SendGrid has it. Source: SendGrid, "Domain Authentication". */
interface Whitelabel {
  readonly id: number;
  readonly domain: string;
  readonly valid: boolean;
}

interface Validation {
  readonly valid: boolean;
  readonly validation_results?: Readonly<Record<string, { readonly valid?: boolean; readonly reason?: string | null }>>;
}

/** Asks SendGrid and DNS about a domain. Never throws: what could not be found out is part of the report. */
export async function checkDomain(
  domain: string,
  sendgrid: Pick<SendgridClient, 'call'> | undefined,
  names: Dns,
): Promise<DomainReport> {
  const [atSendgrid, dmarc] = await Promise.all([askSendgrid(domain, sendgrid), lookUpDmarc(domain, names)]);
  return reportOf(domain, atSendgrid, readDmarc(domain, dmarc));
}

/** The authenticated domain itself, else the nearest above it: DKIM of either is aligned (RFC 7489, 3.1.1, relaxed). */
async function askSendgrid(domain: string, client: Pick<SendgridClient, 'call'> | undefined): Promise<SendgridCheck> {
  const nothing = { domain: null, records: [] };
  if (!client) return { ...nothing, verdict: 'unknown', why: 'the tenant has no SendGrid key' };
  try {
    for (const name of upwards(domain)) {
      const path = `/v3/whitelabel/domains?domain=${encodeURIComponent(name)}&limit=50`;
      const answer = await client.call<unknown>({ method: 'GET', path });
      if (!Array.isArray(answer)) return { ...nothing, verdict: 'unknown', why: 'an answer that is no list' };
      const found = answer as readonly Whitelabel[];
      const same = found.filter((one) => one.domain.toLowerCase() === name);
      const [one] = [...same].sort((a, b) => Number(b.valid) - Number(a.valid));
      if (!one) continue;
      const validation = await client.call<Validation>({
        method: 'POST',
        path: `/v3/whitelabel/domains/${one.id}/validate`,
      });
      return {
        verdict: validation.valid ? 'valid' : 'invalid',
        domain: name,
        records: recordsOf(validation),
        why: null,
      };
    }
    return { ...nothing, verdict: 'missing', why: null };
  } catch (error) {
    if (error instanceof SendgridApiError) return { ...nothing, verdict: 'unknown', why: `HTTP ${error.status}` };
    if (error instanceof SendgridTransportError) return { ...nothing, verdict: 'unknown', why: error.code };
    throw error;
  }
}

function recordsOf({ validation_results: results = {} }: Validation): RecordCheck[] {
  return Object.entries(results).map(([name, { valid, reason }]) => ({
    name,
    valid: valid === true,
    reason: reason ?? null,
  }));
}

/** From the domain upwards, until there is an answer; what failed is not taken for nothing. */
async function lookUpDmarc(domain: string, names: Dns): Promise<DmarcAnswer[]> {
  const answers: DmarcAnswer[] = [];
  for (const at of upwards(domain)) {
    const answer = await lookUp(at, names);
    answers.push(answer);
    if (answer.records.some((record) => record.startsWith('v=DMARC1')) || answer.error !== null) break;
  }
  return answers;
}

async function lookUp(at: string, names: Dns): Promise<DmarcAnswer> {
  try {
    const records = await names.resolveTxt(`_dmarc.${at}`);
    return { at, records: records.map((parts) => parts.join('')), error: null };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
    return { at, records: [], error: code === 'ENOTFOUND' || code === 'ENODATA' ? null : code };
  }
}
