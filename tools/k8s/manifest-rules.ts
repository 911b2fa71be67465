import { waitFaults } from './ingress-rules.ts';

/** The parts of Kubernetes objects that the rules look at; the schemas have been checked before. */
export interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: Record<string, unknown>;
}

export type Labels = Readonly<Record<string, string>>;

interface Probe {
  httpGet?: { port: string | number };
  tcpSocket?: { port: string | number };
}

interface Container {
  name: string;
  image: string;
  ports?: { name?: string; containerPort: number }[];
  env?: { name: string; value?: string; valueFrom?: Record<string, { name: string }> }[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string } }[];
  resources?: { requests?: Labels; limits?: Labels };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { drop?: string[] };
  };
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
}

interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type?: string } };
  containers: Container[];
  initContainers?: Container[];
  volumes?: {
    name: string;
    secret?: { secretName: string };
    configMap?: { name: string };
    persistentVolumeClaim?: { claimName: string };
  }[];
}

interface Workload {
  /** `Deployment/messaging-svc` */
  readonly title: string;
  readonly kind: string;
  readonly labels: Labels;
  readonly selector: Labels | undefined;
  readonly pod: PodSpec;
}

export interface Project {
  /** Names below `apps/`. */
  readonly apps: readonly string[];
  /** Those of them that have migrations. */
  readonly migrated: readonly string[];
}

/** What is wrong with the manifests of one overlay although every object fulfils its schema. */
export function manifestFaults(resources: readonly Resource[], project: Project): string[] {
  const workloads = resources.flatMap(workloadOf);
  return [
    ...workloads.flatMap((workload) => podFaults(workload, project)),
    ...workloads.flatMap((workload) => referenceFaults(workload, resources)),
    ...resources.flatMap((resource) => selectionFaults(resource, resources, workloads)),
    ...resources.flatMap(waitFaults),
    ...project.migrated
      .filter((app) => !workloads.some(({ title }) => title === `Job/${app}-migrate`))
      .map((app) => `Job/${app}-migrate: missing, though ${app} has migrations`),
  ];
}

function workloadOf(resource: Resource): Workload[] {
  if (!['Deployment', 'StatefulSet', 'Job'].includes(resource.kind)) return [];
  const spec = resource.spec as {
    selector?: { matchLabels: Labels };
    template: { metadata?: { labels?: Labels }; spec: PodSpec };
  };
  return [
    {
      title: `${resource.kind}/${resource.metadata.name}`,
      kind: resource.kind,
      labels: spec.template.metadata?.labels ?? {},
      selector: spec.selector?.matchLabels,
      pod: spec.template.spec,
    },
  ];
}

function podFaults(workload: Workload, project: Project): string[] {
  const { title, pod, selector, labels } = workload;
  const faults: string[] = [];
  if (selector && !covers(labels, selector)) faults.push(`${title}: selector does not match its own pods`);
  if (!pod.securityContext?.runAsNonRoot) faults.push(`${title}: runAsNonRoot is not set`);
  if (pod.securityContext?.seccompProfile?.type !== 'RuntimeDefault') faults.push(`${title}: no seccomp profile`);
  if (pod.automountServiceAccountToken !== false) faults.push(`${title}: mounts a service account token`);
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    faults.push(
      ...containerFaults(container, workload, project).map((fault) => `${title} ${container.name}: ${fault}`),
    );
  }
  return faults;
}

function containerFaults(container: Container, { kind, pod }: Workload, { apps }: Project): string[] {
  const faults: string[] = [];
  const [, ours, tag] = /^(?:signalbox\/([^:@]+))?[^:@]*([:@].+)?$/.exec(container.image) ?? [];
  if (tag === undefined || tag === ':latest') faults.push(`image ${container.image} has no tag`);
  if (ours !== undefined && !apps.includes(ours)) faults.push(`image ${container.image}, but there is no apps/${ours}`);
  for (const side of ['requests', 'limits'] as const) {
    for (const resource of ['cpu', 'memory']) {
      if (container.resources?.[side]?.[resource] === undefined) faults.push(`no ${resource} in ${side}`);
    }
  }
  const security = container.securityContext;
  if (security?.allowPrivilegeEscalation !== false) faults.push('may escalate privileges');
  if (!security?.capabilities?.drop?.includes('ALL')) faults.push('keeps capabilities');
  if (ours !== undefined && !security?.readOnlyRootFilesystem) faults.push('can write to its image');
  if (kind === 'Job') return faults;
  for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    const probe = container[name];
    const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
    if (!probe) faults.push(`no ${name}`);
    else if (port !== undefined && !hasPort(container, port))
      faults.push(`${name} asks port ${port}, which it has not`);
  }
  const env = (name: string) => container.env?.find((variable) => variable.name === name)?.value;
  const port = env('PORT');
  if (port !== undefined && !container.ports?.some(({ containerPort }) => String(containerPort) === port)) {
    faults.push(`PORT is ${port}, which it does not offer`);
  }
  const needed = (container.lifecycle?.preStop?.sleep?.seconds ?? 0) + Number(env('SHUTDOWN_TIMEOUT_SECONDS') ?? 25);
  if (ours !== undefined && (pod.terminationGracePeriodSeconds ?? 30) <= needed) {
    faults.push(`is killed before its drain of ${needed} s is over`);
  }
  return faults;
}

function referenceFaults({ title, pod }: Workload, resources: readonly Resource[]): string[] {
  const has = (kind: string, name: string) => resources.some((r) => r.kind === kind && r.metadata.name === name);
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const env = containers.flatMap((container) => container.env ?? []);
  const envFrom = containers.flatMap((container) => container.envFrom ?? []);
  const wanted: [string, string | undefined][] = [
    ['ServiceAccount', pod.serviceAccountName],
    ...envFrom.map(({ configMapRef }): [string, string | undefined] => ['ConfigMap', configMapRef?.name]),
    ...envFrom.map(({ secretRef }): [string, string | undefined] => ['Secret', secretRef?.name]),
    ...env.map(({ valueFrom }): [string, string | undefined] => ['ConfigMap', valueFrom?.['configMapKeyRef']?.name]),
    ...env.map(({ valueFrom }): [string, string | undefined] => ['Secret', valueFrom?.['secretKeyRef']?.name]),
    ...(pod.volumes ?? []).map(({ secret }): [string, string | undefined] => ['Secret', secret?.secretName]),
    ...(pod.volumes ?? []).map(({ configMap }): [string, string | undefined] => ['ConfigMap', configMap?.name]),
    ...(pod.volumes ?? []).map(({ persistentVolumeClaim }): [string, string | undefined] => [
      'PersistentVolumeClaim',
      persistentVolumeClaim?.claimName,
    ]),
  ];
  return wanted.flatMap(([kind, name]) =>
    name === undefined || has(kind, name) ? [] : [`${title}: ${kind} ${name} is not in this overlay`],
  );
}

function selectionFaults(resource: Resource, resources: readonly Resource[], workloads: readonly Workload[]): string[] {
  const title = `${resource.kind}/${resource.metadata.name}`;
  const selected = (labels: Labels) => workloads.filter((workload) => covers(workload.labels, labels));
  switch (resource.kind) {
    case 'Service': {
      const spec = resource.spec as { selector: Labels; ports: { port: number; targetPort: string | number }[] };
      const targets = selected(spec.selector);
      if (targets.length === 0) return [`${title}: selects no pod`];
      return spec.ports
        .filter(({ targetPort }) => !targets.every(({ pod }) => pod.containers.some((c) => hasPort(c, targetPort))))
        .map(({ targetPort }) => `${title}: port ${targetPort} is not offered by its pods`);
    }
    case 'PodDisruptionBudget':
    case 'PodMonitor': {
      const { selector } = resource.spec as { selector: { matchLabels: Labels } };
      return selected(selector.matchLabels).length === 0 ? [`${title}: selects no pod`] : [];
    }
    case 'NetworkPolicy': {
      const { podSelector } = resource.spec as { podSelector: { matchLabels?: Labels } };
      return selected(podSelector.matchLabels ?? {}).length === 0 ? [`${title}: selects no pod`] : [];
    }
    case 'HorizontalPodAutoscaler': {
      const { scaleTargetRef } = resource.spec as { scaleTargetRef: { kind: string; name: string } };
      const target = `${scaleTargetRef.kind}/${scaleTargetRef.name}`;
      return workloads.some((workload) => workload.title === target)
        ? []
        : [`${title}: scales ${target}, which is not there`];
    }
    case 'Ingress':
      return backends(resource)
        .filter(({ name, port }) => {
          const service = resources.find((r) => r.kind === 'Service' && r.metadata.name === name);
          const ports = (service?.spec?.['ports'] ?? []) as { name?: string; port: number }[];
          return !ports.some((offered) => offered.name === port.name || offered.port === port.number);
        })
        .map(({ name }) => `${title}: Service ${name} or its port is not there`);
    default:
      return [];
  }
}

function backends(ingress: Resource) {
  type Backend = { service: { name: string; port: { name?: string; number?: number } } };
  const { rules } = ingress.spec as { rules: { http: { paths: { backend: Backend }[] } }[] };
  return rules.flatMap((rule) => rule.http.paths).map(({ backend }) => backend.service);
}

const hasPort = (container: Container, port: string | number): boolean =>
  container.ports?.some((offered) => offered.name === port || offered.containerPort === port) ?? false;

const covers = (labels: Labels, selector: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);
