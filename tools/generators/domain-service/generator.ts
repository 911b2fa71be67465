import { formatFiles, generateFiles, type GeneratorCallback, type Tree } from '@nx/devkit';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { addContracts, topicName, typesOf } from './contracts.ts';
import { addDeployment, lockWorkspace, nextPort } from './deployment.ts';
import { type DomainServiceSchema, namesOf } from './names.ts';

/**
 * Lays out a small working service: it takes commands over Kafka and HTTP once per idempotency key, follows what they made
 * by the provider's callbacks, and tells of it in events. See "Add a service" in CONTRIBUTING.md.
 */
export default async function domainService(tree: Tree, schema: DomainServiceSchema): Promise<GeneratorCallback> {
  const root = `apps/${schema.name}`;
  if (tree.exists(root)) throw new Error(`${root} is there already`);
  const [callbackType = '', ...otherTypes] = typesOf(tree, schema.callbacks);
  const names = namesOf(schema, schema.port ?? nextPort(tree));

  addContracts(tree, names);
  generateFiles(tree, join(import.meta.dirname, 'files/app'), root, {
    ...names,
    callbacksTopic: topicName(tree, schema.callbacks),
    callbackType,
    otherTypes: otherTypes.length > 0,
  });
  addDeployment(tree, names);
  lockWorkspace(tree, names);
  await formatFiles(tree);
  return () => writeContractPages(tree.root);
}

/** They are made from the sources, so these have to be on disk first. */
function writeContractPages(root: string): void {
  const args = ['--conditions=@signalbox/source', 'tools/contracts.ts'];
  execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}
