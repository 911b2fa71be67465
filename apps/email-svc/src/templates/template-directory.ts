import { readFile } from 'node:fs/promises';
import { findTenantFiles } from '@signalbox/tenants';
import { parse } from 'yaml';
import { readTemplate, type Template } from './template.rules.ts';

/** Every fault of every file of the directory: the service does not start with one. */
export class TemplateDirectoryError extends Error {
  override readonly name = 'TemplateDirectoryError';

  constructor(
    directory: string,
    readonly faults: readonly string[],
  ) {
    super(
      `${directory}: ${faults.length} fault${faults.length === 1 ? '' : 's'}\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
}

/** By tenant and name. */
export type TemplateFiles = ReadonlyMap<string, ReadonlyMap<string, Template>>;

/**
 * Reads `<tenant>/<name>.yaml` and `<tenant>.<name>.yaml`; other files are left alone.
 * @throws TemplateDirectoryError
 */
export async function readTemplateDirectory(
  directory: string,
  isTenant: (name: string) => boolean,
): Promise<TemplateFiles> {
  const faults: string[] = [];
  const byTenant = new Map<string, Map<string, Template>>();
  const files = await findTenantFiles(directory, ['yaml', 'yml']).catch((error: Error) => {
    throw new TemplateDirectoryError(directory, [`cannot be read: ${error.message}`]);
  });
  for (const { tenant, name, shown, path } of files) {
    if (!isTenant(tenant)) faults.push(`${shown}: there is no tenant ${tenant}`);
    if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {
      faults.push(`${shown}: the name must be lower-case letters, digits and hyphens`);
      continue;
    }
    const templates = byTenant.get(tenant) ?? new Map<string, Template>();
    if (templates.has(name)) faults.push(`${shown}: there is another file of this tenant and name`);
    const read = await readFileAt(path, name);
    if ('template' in read) byTenant.set(tenant, templates.set(name, read.template));
    else faults.push(...read.faults.map((fault) => `${shown}: ${fault}`));
  }
  if (faults.length > 0) throw new TemplateDirectoryError(directory, faults);
  return byTenant;
}

async function readFileAt(path: string, name: string) {
  try {
    return readTemplate(name, parse(await readFile(path, 'utf8')));
  } catch (error) {
    return { faults: [error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)] };
  }
}
