import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readTemplateDirectory } from './template-directory.ts';

const root = join(import.meta.dirname, '../../../..');
const example = join(root, 'config/templates/demo/order-shipped.yaml');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'templates-'));
});
afterEach(() => rm(directory, { recursive: true }));

const read = async () => {
  const found = await readTemplateDirectory(directory, (name) => name === 'demo');
  return [...found].flatMap(([tenant, templates]) => [...templates.keys()].map((name) => `${tenant} ${name}`));
};

it('reads what the ConfigMap of the overlay dev has, which knows no folders', async () => {
  await copyFile(join(root, 'k8s/overlays/dev/template.yaml'), join(directory, 'demo.welcome.yaml'));
  await copyFile(example, join(directory, 'demo.order-shipped.yaml'));
  expect(await read()).toEqual(['demo order-shipped', 'demo welcome']);
});

it('names every fault, each with its file', async () => {
  await copyFile(example, join(directory, 'stranger.order-shipped.yaml'));
  await copyFile(example, join(directory, 'demo.Shipped.yaml'));
  await writeFile(join(directory, 'demo.broken.yaml'), 'version: [');
  await copyFile(example, join(directory, 'demo.order.yml'));
  await copyFile(example, join(directory, 'demo.order.yaml'));
  await expect(read()).rejects.toMatchObject({
    faults: [
      'demo.Shipped.yaml: the name must be lower-case letters, digits and hyphens',
      expect.stringMatching(/^demo\.broken\.yaml: /),
      'demo.order.yml: there is another file of this tenant and name',
      'stranger.order-shipped.yaml: there is no tenant stranger',
    ],
  });
});

it('says so when there is no such directory', async () => {
  await expect(readTemplateDirectory(join(directory, 'nothing'), () => true)).rejects.toThrow('cannot be read');
});
