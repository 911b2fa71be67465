import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readFlowDirectory } from './flow-directory.ts';

const root = join(import.meta.dirname, '../../../..');
const dev = join(root, 'k8s/overlays/dev/flow.yaml');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flows-'));
});
afterEach(() => rm(directory, { recursive: true }));

const read = async () => {
  const files = await readFlowDirectory(directory, (name) => name === 'demo');
  return files.map(({ tenant, name }) => `${tenant} ${name}`);
};

it('reads what the ConfigMap of the overlay dev has, which knows no folders', async () => {
  await copyFile(dev, join(directory, 'demo.support.yaml'));
  await copyFile(join(root, 'config/flows/demo/agent.yaml'), join(directory, 'demo.agent.yaml'));
  expect(await read()).toEqual(['demo agent', 'demo support']);
});

it('names every fault, each with its file', async () => {
  await copyFile(dev, join(directory, 'demo.Support.yaml'));
  await copyFile(dev, join(directory, 'demo.twice.yaml'));
  await copyFile(dev, join(directory, 'demo.twice.json'));
  await copyFile(dev, join(directory, 'stranger.support.yaml'));
  await expect(read()).rejects.toMatchObject({
    faults: [
      'demo.Support.yaml: the name must be lower-case letters, digits and hyphens',
      'demo.twice.yaml: there is another file of this tenant and name',
      'stranger.support.yaml: there is no tenant stranger',
    ],
  });
});
