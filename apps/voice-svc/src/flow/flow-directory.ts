import { readFile } from 'node:fs/promises';
import { flowName } from '@signalbox/contracts';
import type { Transact } from '@signalbox/persistence';
import { findTenantFiles } from '@signalbox/tenants';
import { activateFlow, putFlow } from './flow.store.ts';
import { readFlow } from './read-flow.ts';

/** Every fault of every file of the directory: the service does not start with one. */
export class FlowDirectoryError extends Error {
  override readonly name = 'FlowDirectoryError';
  readonly faults: readonly string[];

  constructor(directory: string, faults: readonly string[]) {
    super(`${directory}: ${faults.length} fault${faults.length === 1 ? '' : 's'}`);
    this.faults = faults;
  }
}

export interface FlowFile {
  readonly tenant: string;
  readonly name: string;
  readonly definition: unknown;
}

/**
 * Reads `<tenant>/<name>.yaml` (or .yml, .json) and `<tenant>.<name>.yaml`; other files are left alone.
 * @throws FlowDirectoryError
 */
export async function readFlowDirectory(
  directory: string,
  isTenant: (name: string) => boolean,
): Promise<readonly FlowFile[]> {
  const faults: string[] = [];
  const files: FlowFile[] = [];
  const found = await findTenantFiles(directory, ['yaml', 'yml', 'json']).catch((error: Error) => {
    throw new FlowDirectoryError(directory, [`cannot be read: ${error.message}`]);
  });
  for (const { tenant, name, shown, path } of found) {
    if (!isTenant(tenant)) faults.push(`${shown}: there is no tenant ${tenant}`);
    if (!flowName.safeParse(name).success) {
      faults.push(`${shown}: the name must be lower-case letters, digits and hyphens`);
      continue;
    }
    if (files.some((one) => one.tenant === tenant && one.name === name)) {
      faults.push(`${shown}: there is another file of this tenant and name`);
    }
    const read = readFlow(await readFile(path, 'utf8'));
    if (read.ok) files.push({ tenant, name, definition: read.written });
    else faults.push(...read.faults.map(({ path: at, problem }) => `${shown}: ${at} ${problem}`));
  }
  if (faults.length > 0) throw new FlowDirectoryError(directory, faults);
  return files;
}

/**
 * Stores what is new, and has calls begin with it. What was stored before is left as it is, so that neither a restart nor an
 * older replica takes back what an operator has activated since.
 */
export async function takeUpFlows(transact: Transact, files: readonly FlowFile[]): Promise<string[]> {
  const taken: string[] = [];
  for (const { tenant, name, definition } of files) {
    const at = new Date();
    await transact(async (tx) => {
      const { version, isNew } = await putFlow(tx, { tenant, name, definition, by: 'file', at });
      if (!isNew) return;
      await activateFlow(tx, { tenant, name, version, by: 'file', at });
      taken.push(`${tenant}/${name} ${version}`);
    });
  }
  return taken;
}
