import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that belongs to a tenant. */
export interface TenantOwnedFile {
  readonly tenant: string;
  /** Without its ending. */
  readonly name: string;
  /** As faults speak of it, from the directory on. */
  readonly shown: string;
  readonly path: string;
}

/**
 * Finds `<tenant>/<name>.<ending>`, and `<tenant>.<name>.<ending>`, as a ConfigMap has it, which knows no folders. Other files are
 * left alone, and what begins with a dot, in which Kubernetes keeps what it mounts.
 * @throws an error of the file system
 */
export async function findTenantFiles(directory: string, endings: readonly string[]): Promise<TenantOwnedFile[]> {
  const form = new RegExp(`^(.+)\\.(?:${endings.join('|')})$`);
  const found: TenantOwnedFile[] = [];
  for (const entry of await visible(directory)) {
    const path = join(directory, entry);
    // What a volume shows are links, which a listing does not tell from files.
    const isFolder = (await stat(path)).isDirectory();
    const [, tenant = '', file = ''] = isFolder ? [] : (/^([^.]+)\.(.+)$/.exec(entry) ?? []);
    const files = isFolder
      ? (await visible(path)).map((one) => ({
          tenant: entry,
          file: one,
          shown: `${entry}/${one}`,
          path: join(path, one),
        }))
      : [{ tenant, file, shown: entry, path }];
    for (const { file: one, ...rest } of files) {
      const name = form.exec(one)?.[1];
      if (name !== undefined) found.push({ ...rest, name });
    }
  }
  return found;
}

async function visible(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort();
}
