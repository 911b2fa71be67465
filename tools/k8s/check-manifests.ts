/**
 * What schemas cannot see: `node tools/k8s/check-manifests.ts <rendered overlay>…` names every fault and ends with 1.
 * Called by tools/k8s-check.sh.
 */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { manifestFaults, type Resource } from './manifest-rules.ts';
import { monitoringFaults } from './monitoring-rules.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const objectsIn = (yaml: string) =>
  parseAllDocuments(yaml).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as Resource;
  });

const apps = readdirSync(join(root, 'apps'));
const migrated = apps.filter((app) => existsSync(join(root, 'apps', app, 'src/migrations')));
const monitoring = 'k8s/components/monitoring';
const rules = `${monitoring}/rules.yaml`;
const dashboards = globSync(`${monitoring}/dashboards/*.json`, { cwd: root });
const alerts = objectsIn(read(rules)).flatMap(({ spec }) => {
  const { groups } = spec as { groups: { rules: { alert: string }[] }[] };
  return groups.flatMap((group) => group.rules.map(({ alert }) => alert));
});

const faults = [
  ...process.argv.slice(2).flatMap((file) => {
    const found = manifestFaults(objectsIn(readFileSync(file, 'utf8')), { apps, migrated });
    return found.map((fault) => `${basename(file, '.yaml')}: ${fault}`);
  }),
  ...monitoringFaults({
    queries: new Map([rules, ...dashboards].map((path) => [path, read(path)])),
    alerts,
    runbooks: readdirSync(join(root, 'docs/runbooks')).filter((name) => name.endsWith('.md')),
    sources: globSync('{apps,libs}/*/src/**/*.ts', { cwd: root })
      .filter((path) => !path.endsWith('.spec.ts'))
      .map(read)
      .join('\n'),
  }),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else
  console.log(
    `k8s-check: ${process.argv.length - 2} overlays keep our rules; ${alerts.length} alerts have their metrics and runbooks`,
  );
