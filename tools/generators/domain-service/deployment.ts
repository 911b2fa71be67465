import { generateFiles, type Tree, updateJson } from '@nx/devkit';
import { join } from 'node:path';
import { Edit } from './edit.ts';
import { addMonitoring } from './monitoring.ts';
import type { Names } from './names.ts';

/** The first port that no service of a local run has, from those of the domain services on. */
export function nextPort(tree: Tree): number {
  const text = tree.read('libs/testing/src/platform/services.ts', 'utf-8') ?? '';
  const taken = new Set([...text.matchAll(/^\s+port: (\d+),/gm)].map(([, port]) => Number(port)));
  let port = 8082;
  while (taken.has(port)) port++;
  return port;
}

/** Its place in local runs, in docker-compose.yml, on Kubernetes and in the monitoring. */
export function addDeployment(tree: Tree, names: Names): void {
  addToLocalRuns(tree, names);
  addToCompose(tree, names);
  addToKubernetes(tree, names);
  addMonitoring(tree, names);
  addToOperations(tree, names);
}

/** `npm ci` refuses a workspace that the lock file does not know. */
export function lockWorkspace(tree: Tree, { service }: Names): void {
  const name = `@signalbox/${service}`;
  updateJson<{ packages: Record<string, object> }>(tree, 'package-lock.json', ({ packages, ...rest }) => ({
    ...rest,
    packages: Object.fromEntries(
      Object.entries({
        ...packages,
        [`apps/${service}`]: { name, version: '0.1.0' },
        [`node_modules/${name}`]: { resolved: `apps/${service}`, link: true },
      }).sort(([a], [b]) => a.localeCompare(b, 'en')),
    ),
  }));
}

function addToLocalRuns(tree: Tree, { service, port, portVariable, database }: Names): void {
  new Edit(tree, 'libs/testing/src/platform/services.ts')
    .before(
      /^\];\n/m,
      `  {
    name: '${service}',
    port: ${port},
    portVariable: '${portVariable}',
    database: '${database}',
    env: (surroundings) => ({ ...common(surroundings), DATABASE_URL: surroundings.databases['${database}'] }),
  },
`,
    )
    .save();
  new Edit(tree, 'Makefile').after(/^##\s+ports .*_PORT(?= KAFKA_PORT)/m, ` ${portVariable}`).save();
  new Edit(tree, '.env.example').after(/^# MESSAGING_PORT=\d+\n/m, `# ${portVariable}=${port}\n`).save();
}

function addToCompose(tree: Tree, { service, domain, port, portVariable, database }: Names): void {
  new Edit(tree, 'docker-compose.yml')
    .after(/^ {6}create database messaging;\n/m, `      create database ${database};\n`)
    .before(
      /^configs:\n/m,
      `  ${domain}-migrate:
    <<: *service
    image: signalbox/${service}:local
    build: &${domain}-build
      context: .
      args: { APP: ${service} }
    restart: 'no'
    command: [node, --enable-source-maps, dist/migrate.js]
    environment:
      DATABASE_URL: &${domain}-database postgres://signalbox:\${POSTGRES_PASSWORD:-signalbox}@postgres:5432/${database}
    depends_on:
      postgres: { condition: service_healthy }

  ${service}:
    <<: *service
    image: signalbox/${service}:local
    build: *${domain}-build
    ports: ['127.0.0.1:\${${portVariable}:-${port}}:${port}']
    environment:
      <<: *service-env
      DATABASE_URL: *${domain}-database
    configs: *tenants
    stop_grace_period: 40s
    depends_on:
      topics: { condition: service_completed_successfully }
      ${domain}-migrate: { condition: service_completed_successfully }
    healthcheck:
      <<: *ready
      test:
        - CMD
        - node
        - -e
        - "fetch('http://127.0.0.1:${port}/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"

`,
    )
    .save();
}

function addToKubernetes(tree: Tree, names: Names): void {
  const { service, domain, database } = names;
  generateFiles(tree, join(import.meta.dirname, 'files/k8s'), `k8s/base/${service}`, names);
  new Edit(tree, 'k8s/base/kustomization.yaml').after(/^ {2}- messaging-svc\n/m, `  - ${service}\n`).save();
  new Edit(tree, 'k8s/overlays/dev/databases.sql').append(`create database ${database};\n`).save();
  new Edit(tree, 'k8s/overlays/dev/kustomization.yaml')
    .after(
      /^ {2}- \{ name: signalbox\/messaging-svc, newTag: dev \}\n/m,
      `  - { name: signalbox/${service}, newTag: dev }\n`,
    )
    .before(
      /^ {2}- name: postgres\n/m,
      `  - name: ${domain}-db
    literals:
      - url=postgres://signalbox:dev-password@postgres:5432/${database}
`,
    )
    .after(
      /^patches:\n/m,
      `  - target: { kind: Deployment, name: ${service} }
    patch: |
      - { op: replace, path: /spec/replicas, value: 1 }
`,
    )
    .save();
}

function addToOperations(tree: Tree, { service, port, metric, pluralWords, database, domain }: Names): void {
  new Edit(tree, 'docs/operations.md')
    .after(
      /^\| messaging-svc .*\n/m,
      `| ${service} | ${port} | \`signalbox/${service}\` | Kafka, its Postgres database, tenant file, a way out to the provider | up to the 12 partitions |\n`,
    )
    .after(
      /^\| `messaging-db` .*\n/m,
      `| \`${domain}-db\` | \`url\` | ${service}, its migration job; database \`${database}\` |\n`,
    )
    .after(/^kubectl rollout status deployment\/messaging-svc\n/m, `kubectl rollout status deployment/${service}\n`)
    .after(
      /^\| `signalbox_messages_double_sends_total`.*\n/m,
      `| \`signalbox_${metric}_state_changes_total{state}\`, \`signalbox_${metric}_failures_total{code, class}\` | what ${pluralWords} reach, and why they fail |
| \`signalbox_${metric}_callbacks_total{outcome}\` | what became of the callbacks about ${pluralWords} |\n`,
    )
    .save();
}
