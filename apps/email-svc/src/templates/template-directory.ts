import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
 * Reads `<tenant>/<name>.yaml`; other files are left alone.
 * @throws TemplateDirectoryError
 */
export async function readTemplateDirectory(
  directory: string,
  isTenant: (name: string) => boolean,
): Promise<TemplateFiles> {
  const faults: string[] = [];
  const byTenant = new Map<string, Map<string, Template>>();
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: Error) => {
    throw new TemplateDirectoryError(directory, [`cannot be read: ${error.message}`]);
  });
  for (const { name: tenant } of entries.filter((entry) => entry.isDirectory())) {
    if (!isTenant(tenant)) faults.push(`${tenant}: there is no such tenant`);
    const templates = new Map<string, Template>();
    for (const file of (await readdir(join(directory, tenant))).sort()) {
      const [, name] = /^(.+)\.ya?ml$/.exec(file) ?? [];
      if (name === undefined) continue;
      if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {
        faults.push(`${tenant}/${file}: the name must be lower-case letters, digits and hyphens`);
        continue;
      }
      const read = await readFileAt(join(directory, tenant, file), name);
      if ('template' in read) templates.set(name, read.template);
      else faults.push(...read.faults.map((fault) => `${tenant}/${file}: ${fault}`));
    }
    byTenant.set(tenant, templates);
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
