import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { findTenantFiles } from './tenant-files.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tenant-files-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function put(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    await writeFile(join(directory, file), '');
  }
}
const found = async () =>
  (await findTenantFiles(directory, ['yaml', 'json'])).map(({ tenant, name, shown }) => [tenant, name, shown]);

it('finds files in folders of tenants and beside them, and leaves others alone', async () => {
  await put('demo/a.yaml', 'demo/b.json', 'demo/notes.txt', 'demo/.hidden.yaml', 'other.c.yaml', 'README.yaml', 'x');
  expect(await found()).toEqual([
    ['demo', 'a', 'demo/a.yaml'],
    ['demo', 'b', 'demo/b.json'],
    ['other', 'c', 'other.c.yaml'],
  ]);
});

it('finds them in a volume as Kubernetes mounts it: behind links, whose target has a folder of its own', async () => {
  await put('..2026_11_27/demo/a.yaml', '..2026_11_27/demo.b.yaml');
  await symlink('..2026_11_27', join(directory, '..data'));
  await symlink('..data/demo', join(directory, 'demo'));
  await symlink('..data/demo.b.yaml', join(directory, 'demo.b.yaml'));
  expect(await found()).toEqual([
    ['demo', 'a', 'demo/a.yaml'],
    ['demo', 'b', 'demo.b.yaml'],
  ]);
});

it('says so when there is no such directory', async () => {
  await expect(findTenantFiles(join(directory, 'nothing'), ['yaml'])).rejects.toThrow('ENOENT');
});
