import { describe, expect, it } from '@jest/globals';
import { manifestFaults, type Resource } from './manifest-rules.ts';

const project = { apps: ['messaging-svc'], migrated: [] };
const labels = { app: 'm' };

const container = (change: object = {}) => ({
  name: 'main',
  image: 'signalbox/messaging-svc:1',
  ports: [{ name: 'http', containerPort: 8081 }],
  env: [{ name: 'PORT', value: '8081' }],
  resources: { requests: { cpu: '1', memory: '1Mi' }, limits: { cpu: '1', memory: '1Mi' } },
  securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  startupProbe: { httpGet: { port: 'http' } },
  livenessProbe: { httpGet: { port: 'http' } },
  readinessProbe: { httpGet: { port: 'http' } },
  ...change,
});

const deployment = (change: { container?: object; pod?: object; spec?: object } = {}): Resource => ({
  kind: 'Deployment',
  metadata: { name: 'm' },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [container(change.container)],
        ...change.pod,
      },
    },
    ...change.spec,
  },
});

const service = (spec: object): Resource => ({
  kind: 'Service',
  metadata: { name: 'm' },
  spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
});
const ingress = (port: string): Resource => ({
  kind: 'Ingress',
  metadata: { name: 'm' },
  spec: { rules: [{ http: { paths: [{ backend: { service: { name: 'm', port: { name: port } } } }] } }] },
});
const secretEnv = [{ name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db' } } }];

describe('manifestFaults', () => {
  it('has nothing to say about a good overlay', () => {
    expect(manifestFaults([deployment(), service({}), ingress('http')], project)).toEqual([]);
  });

  it.each<[string, Resource[], string]>([
    ['an image without a tag', [deployment({ container: { image: 'signalbox/messaging-svc' } })], 'has no tag'],
    ['the tag latest', [deployment({ container: { image: 'postgres:latest' } })], 'has no tag'],
    [
      'an image of no app',
      [deployment({ container: { image: 'signalbox/voice-svc:1' } })],
      'there is no apps/voice-svc',
    ],
    [
      'no limit',
      [deployment({ container: { resources: { requests: { cpu: '1', memory: '1' } } } })],
      'no cpu in limits',
    ],
    ['no probe', [deployment({ container: { livenessProbe: undefined } })], 'no livenessProbe'],
    [
      'a probe of another port',
      [deployment({ container: { readinessProbe: { httpGet: { port: 'web' } } } })],
      'readinessProbe asks port web',
    ],
    ['another PORT', [deployment({ container: { env: [{ name: 'PORT', value: '9' }] } })], 'PORT is 9'],
    ['a writable image', [deployment({ container: { securityContext: {} } })], 'can write to its image'],
    ['root', [deployment({ pod: { securityContext: {} } })], 'runAsNonRoot is not set'],
    ['a token', [deployment({ pod: { automountServiceAccountToken: true } })], 'mounts a service account token'],
    [
      'too short a grace period',
      [deployment({ pod: { terminationGracePeriodSeconds: 25 } })],
      'is killed before its drain of 25 s is over',
    ],
    [
      'a selector that matches nothing',
      [deployment({ spec: { selector: { matchLabels: { app: 'other' } } } })],
      'selector does not match its own pods',
    ],
    ['a Secret that is not there', [deployment({ container: { env: secretEnv } })], 'Secret db is not in this overlay'],
    [
      'a claim that is not there',
      [deployment({ pod: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } })],
      'PersistentVolumeClaim data is not in this overlay',
    ],
    ['a Service without pods', [deployment(), service({ selector: { app: 'other' } })], 'Service/m: selects no pod'],
    [
      'a Service of another port',
      [deployment(), service({ ports: [{ port: 80, targetPort: 'web' }] })],
      'port web is not offered',
    ],
    ['an Ingress to another port', [deployment(), service({}), ingress('web')], 'Service m or its port is not there'],
  ])('notices %s', (_, resources, fault) => {
    const faults = manifestFaults(resources, project);
    expect(faults).toContainEqual(expect.stringContaining(fault));
  });

  it('wants a migration job for an app with migrations', () => {
    expect(manifestFaults([deployment()], { ...project, migrated: ['messaging-svc'] })).toEqual([
      'Job/messaging-svc-migrate: missing, though messaging-svc has migrations',
    ]);
  });
});
