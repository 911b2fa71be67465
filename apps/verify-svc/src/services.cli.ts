/**
 * Verify services at Twilio as the tenant file has them: `node dist/services.cli.js plan|apply`. Reads TENANTS_FILE and the
 * variables its secrets refer to. Exit code 0: Twilio has what the file says; 1: that could not be found out or done; 2: `plan`
 * found a difference.
 */
import { parseArgs } from 'node:util';
import { loadTenants, type Tenant } from '@signalbox/tenants';
import {
  applyVerifyServices,
  describePlan,
  hasDrift,
  planVerifyServices,
  twilioClient,
  type VerifyPlan,
} from '@signalbox/twilio';

const usage = `services plan  [--tenant NAME] [--json]             what an apply would do; exit code 2 when that is something
services apply [--tenant NAME] [--delete-unmanaged]  creates and updates services; --delete-unmanaged also deletes
                                                     those of the account that the tenant file does not speak of
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      tenant: { type: 'string' },
      json: { type: 'boolean', default: false },
      'delete-unmanaged': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [command, ...rest] = positionals;
  if (values.help || rest.length > 0 || (command !== 'plan' && command !== 'apply')) {
    process.stdout.write(usage);
    return values.help ? 0 : 1;
  }
  const tenants = await chosen(values.tenant);
  const plans = await Promise.all(
    tenants.map(async (tenant) => ({ tenant, plan: await planVerifyServices(tenant, twilioClient(tenant)) })),
  );
  if (values.json)
    print(JSON.stringify(Object.fromEntries(plans.map(({ tenant, plan }) => [tenant.name, plan])), null, 2));
  else for (const { tenant, plan } of plans) print(describePlan(tenant.name, plan));
  if (plans.some(({ plan }) => plan.faults.length > 0)) return 1;
  if (command === 'plan') return plans.some(({ plan }) => hasDrift(plan)) ? 2 : 0;
  for (const { tenant, plan } of plans) await apply(tenant, plan, values['delete-unmanaged']);
  return 0;
}

async function apply(tenant: Tenant, plan: VerifyPlan, deleteUnmanaged: boolean): Promise<void> {
  for (const { action, name, sid } of await applyVerifyServices(plan, twilioClient(tenant), { deleteUnmanaged })) {
    print(`${action} ${sid}${name === null ? '' : ` for ${tenant.name}'s ${name}`}`);
    if (action === 'created') print(`  to be safe against another service of that name, add to it: sid: ${sid}`);
  }
}

/** Those that have Verify services, or the one that is named. */
async function chosen(name: string | undefined): Promise<Tenant[]> {
  const file = process.env['TENANTS_FILE'];
  if (!file) throw new Error('TENANTS_FILE is not set');
  const directory = await loadTenants(file);
  if (name === undefined) return directory.all.filter(({ verify }) => verify !== undefined);
  const tenant = directory.byName(name);
  if (!tenant) throw new Error(`${file} has no tenant ${name}`);
  return [tenant];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
