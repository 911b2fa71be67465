/**
 * The domains that the tenant file sends from: `node dist/domains.cli.js lint|check`. Reads TENANTS_FILE and the variables its secrets
 * refer to, and DNS_SERVERS. Exit code 0: all is well; 1: that could not be found out; 2: a domain has faults.
 */
import { parseArgs } from 'node:util';
import { sendgridClient } from '@signalbox/sendgrid';
import { loadTenants, type Tenant } from '@signalbox/tenants';
import { checkDomain, type Dns, resolverOf } from './deliverability/domain-check.ts';
import { type DomainFault, domainFaults, domainsOfTenant, freeMail } from './deliverability/domain.rules.ts';

const usage = `domains lint  [--tenant NAME]  what can be said of them without asking anybody
domains check [--tenant NAME]  asks SendGrid and the DNS for their SPF, DKIM and DMARC
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { tenant: { type: 'string' }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [command, ...rest] = positionals;
  if (values.help || rest.length > 0 || (command !== 'lint' && command !== 'check')) {
    process.stdout.write(usage);
    return values.help ? 0 : 1;
  }
  const file = process.env['TENANTS_FILE'];
  if (!file) throw new Error('TENANTS_FILE is not set');
  const directory = await loadTenants(file);
  if (values.tenant !== undefined && !directory.byName(values.tenant)) {
    throw new Error(`${file} has no tenant ${values.tenant}`);
  }
  const names = resolverOf(process.env['DNS_SERVERS']?.split(/[\s,]+/));
  const all: DomainFault[] = [];
  for (const tenant of directory.all) {
    if (values.tenant !== undefined && values.tenant !== tenant.name) continue;
    for (const domain of domainsOfTenant(tenant)) {
      const faults = command === 'lint' ? freeMail(domain) : await ask(tenant, domain, names);
      process.stdout.write(`${tenant.name} ${domain}: ${faults.length} fault${faults.length === 1 ? '' : 's'}\n`);
      for (const { code, title, remedy } of faults) process.stdout.write(`! ${code}: ${title}. ${remedy}\n`);
      all.push(...faults);
    }
  }
  const isUnknown = ({ code }: DomainFault) =>
    code === domainFaults.sendgridUnknown.code || code === domainFaults.dmarcUnknown.code;
  if (all.length === 0) return 0;
  return all.every(isUnknown) ? 1 : 2;
}

async function ask(tenant: Tenant, domain: string, names: Dns): Promise<readonly DomainFault[]> {
  const client = tenant.sendgrid?.apiKey ? sendgridClient(tenant) : undefined;
  return (await checkDomain(domain, client, names)).faults;
}
