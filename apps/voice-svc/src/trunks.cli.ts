/**
 * SIP trunks at Twilio as the tenant file has them: `node dist/trunks.cli.js lint|plan|apply`. Reads TENANTS_FILE and the
 * variables its secrets refer to. Exit code 0: safe, and Twilio has what the file says; 1: unsafe, or that could not be found
 * out or done; 2: `plan` found a difference.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadTenants, type Tenant } from '@signalbox/tenants';
import { twilioClient } from '@signalbox/twilio';
import { isStrong, lintTrunks } from './trunks/lint.rules.ts';
import { type Action, describe, planTrunks } from './trunks/plan.rules.ts';
import { applyActions, readTrunks } from './trunks/twilio-trunks.ts';

const usage = `trunks lint  [--tenant NAME]                   what is unsafe about trunks in the tenant file; asks nobody
trunks plan  [--tenant NAME] [--set-passwords]  what an apply would do; exit code 2 when that is something
trunks apply [--tenant NAME] [--set-passwords]  does it, unless the lint finds an error; --set-passwords also sets
                                               those of users that are there, which Twilio never tells
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      tenant: { type: 'string' },
      'set-passwords': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [command, ...rest] = positionals;
  if (values.help || rest.length > 0 || !['lint', 'plan', 'apply'].includes(command ?? '')) {
    process.stdout.write(usage);
    return values.help ? 0 : 1;
  }
  const file = process.env['TENANTS_FILE'];
  if (!file) throw new Error('TENANTS_FILE is not set');
  const tenants = await chosen(file, values.tenant);
  const unsafe = tenants.map(lint).some(Boolean);
  if (command === 'lint') return unsafe ? 1 : 0;
  let found = 0;
  for (const tenant of tenants) {
    const client = twilioClient(tenant);
    const present = await readTrunks(client);
    const plan = planTrunks(tenant.voice?.trunks ?? {}, present, { setPasswords: values['set-passwords'] });
    for (const fault of plan.faults) print(`${tenant.name}: ${fault}`);
    if (plan.faults.length > 0) return 1;
    for (const name of plan.unmanaged)
      print(`${tenant.name}: trunk ${name} is not in the tenant file, and is left alone`);
    if (command === 'plan') for (const action of plan.actions) print(`${tenant.name}: ${describe(action)}`);
    found += plan.actions.length;
    if (command === 'plan' || unsafe) continue;
    const passwords = resolved(plan.actions, file);
    await applyActions(client, present, plan.actions, passwords, (action) =>
      print(`${tenant.name}: ${describe(action)}`),
    );
  }
  if (unsafe) return 1;
  return command === 'plan' && found > 0 ? 2 : 0;
}

/** Prints what is unsafe; true when something is an error. */
function lint({ name, voice }: Tenant): boolean {
  const findings = lintTrunks(voice?.trunks ?? {});
  for (const { level, rule, at, message } of findings) print(`${name}: ${level} ${rule} at trunks.${at}: ${message}`);
  return findings.some(({ level }) => level === 'error');
}

/** All of them before the first change, so that a missing one changes nothing. @throws without naming any value */
function resolved(actions: readonly Action[], file: string): (reference: string) => string {
  const references = actions.flatMap((action) => ('password' in action ? [action.password] : []));
  const values = new Map(references.map((reference) => [reference, resolve(reference, file)]));
  for (const [reference, value] of values) {
    if (!isStrong(value)) throw new Error(`${reference}: needs 12 characters, a digit, and both cases`);
  }
  return (reference) => values.get(reference) ?? '';
}

function resolve(reference: string, file: string): string {
  if (reference.startsWith('file:')) {
    return readFileSync(path.resolve(path.dirname(file), reference.slice('file:'.length)), 'utf8').trim();
  }
  const value = process.env[reference.slice('env:'.length)];
  if (!value) throw new Error(`${reference} is not set`);
  return value;
}

/** Those that have trunks, or the one that is named. */
async function chosen(file: string, name: string | undefined): Promise<Tenant[]> {
  const directory = await loadTenants(file);
  if (name === undefined) return directory.all.filter(({ voice }) => voice?.trunks !== undefined);
  const tenant = directory.byName(name);
  if (!tenant) throw new Error(`${file} has no tenant ${name}`);
  return [tenant];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
