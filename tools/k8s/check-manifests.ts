/**
 * What schemas cannot see: `node tools/k8s/check-manifests.ts <rendered overlay>…` names every fault and ends with 1.
 * Called by tools/k8s-check.sh.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { manifestFaults, type Resource } from './manifest-rules.ts';
import { monitoringFaults } from './monitoring-rules.ts';
import { readMonitoring } from './read-monitoring.ts';

const root = join(import.meta.dirname, '../..');
const objectsIn = (yaml: string) =>
  parseAllDocuments(yaml).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as Resource;
  });

const apps = readdirSync(join(root, 'apps'));
const migrated = apps.filter((app) => existsSync(join(root, 'apps', app, 'src/migrations')));
const monitoring = readMonitoring(root);

const faults = [
  ...process.argv.slice(2).flatMap((file) => {
    const found = manifestFaults(objectsIn(readFileSync(file, 'utf8')), { apps, migrated });
    return found.map((fault) => `${basename(file, '.yaml')}: ${fault}`);
  }),
  ...monitoringFaults(monitoring),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else
  console.log(
    `k8s-check: ${process.argv.length - 2} overlays keep our rules; ${monitoring.alerts.length} alerts have their metrics and runbooks`,
  );
