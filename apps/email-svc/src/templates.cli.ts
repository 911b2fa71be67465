/**
 * Email templates at SendGrid as their files have them: `node dist/templates.cli.js test|plan|apply`. Reads TEMPLATES_DIR,
 * TENANTS_FILE and the variables its secrets refer to. Exit code 0: all is well, and SendGrid has what the files say; 1: a file is
 * wrong, or that could not be found out or done; 2: `plan` found a difference.
 */
import { parseArgs } from 'node:util';
import { sendgridClient } from '@signalbox/sendgrid';
import { loadTenants } from '@signalbox/tenants';
import { describePlan, hasDrift, planTemplates } from './templates/plan.rules.ts';
import { applyTemplates, readTemplates } from './templates/sendgrid-templates.ts';
import { readTemplateDirectory } from './templates/template-directory.ts';
import { testTemplate } from './templates/template.rules.ts';

const usage = `templates test                   renders the fixtures of every template; asks nobody, needs no TENANTS_FILE
templates plan  [--tenant NAME]  what an apply would do; exit code 2 when that is something
templates apply [--tenant NAME]  makes versions that are missing, and those of the files active; deletes nothing
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
  if (values.help || rest.length > 0 || !['test', 'plan', 'apply'].includes(command ?? '')) {
    process.stdout.write(usage);
    return values.help ? 0 : 1;
  }
  const folder = process.env['TEMPLATES_DIR'];
  if (!folder) throw new Error('TEMPLATES_DIR is not set');
  if (command === 'test') return test(folder);

  const file = process.env['TENANTS_FILE'];
  if (!file) throw new Error('TENANTS_FILE is not set');
  const directory = await loadTenants(file);
  if (values.tenant !== undefined && !directory.byName(values.tenant)) {
    throw new Error(`${file} has no tenant ${values.tenant}`);
  }
  const files = await readTemplateDirectory(folder, (name) => directory.byName(name) !== undefined);
  let worst = 0;
  for (const [name, templates] of files) {
    const tenant = directory.byName(name);
    if (!tenant || (values.tenant !== undefined && values.tenant !== name)) continue;
    const client = sendgridClient(tenant);
    const plan = planTemplates([...templates.values()], await readTemplates(client, [...templates.values()]));
    print(describePlan(name, plan));
    if (plan.faults.length > 0) worst = 1;
    else if (command === 'apply') await applyTemplates(client, plan, templates, print);
    else if (hasDrift(plan) && worst === 0) worst = 2;
  }
  return worst;
}

async function test(folder: string): Promise<number> {
  let failed = 0;
  for (const [tenant, templates] of await readTemplateDirectory(folder, () => true)) {
    for (const template of templates.values()) {
      const faults = testTemplate(template);
      failed += faults.length;
      print(`${tenant}/${template.name} v${template.version}: ${template.fixtures.length} fixtures`);
      for (const fault of faults) print(`! ${fault}`);
    }
  }
  return failed > 0 ? 1 : 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
