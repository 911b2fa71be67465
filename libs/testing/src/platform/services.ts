/** What a service's environment is made of. */
export interface Surroundings {
  readonly brokers: string;
  /** Of every domain service, by the name of its database. */
  readonly databases: Readonly<Record<string, string>>;
  readonly tenantsFile: string;
  readonly secrets: Readonly<Record<string, string>>;
  readonly simulatorAccounts: string;
  /** Base URLs under which the provider reaches the services with public routes. */
  readonly publicBaseUrls: Readonly<Record<string, string>>;
  /** For what services keep on disk; empty when a run begins. */
  readonly dataDirectory: string;
}

export interface ServiceDefinition {
  readonly name: string;
  /** The app it runs; the one of its name by default. */
  readonly app?: string;
  readonly port: number;
  /** Moves it to another port. */
  readonly portVariable: string;
  /** The database it owns; `dist/migrate.js` brings it up to date. */
  readonly database?: string;
  /** Has routes the provider calls. */
  readonly public?: boolean;
  readonly env: (surroundings: Surroundings) => Record<string, string | undefined>;
}

export const simulator = 'provider-sim';

const common = ({ brokers, tenantsFile, secrets, publicBaseUrls }: Surroundings) => ({
  KAFKA_BROKERS: brokers,
  TENANTS_FILE: tenantsFile,
  PUBLIC_BASE_URL: publicBaseUrls['webhook-ingest'],
  ...secrets,
});

/** Everything a local run starts beside Kafka and Postgres: `node apps/<name>/dist/main.js` each. */
export const services: readonly ServiceDefinition[] = [
  {
    name: simulator,
    port: 8090,
    portVariable: 'SIM_PORT',
    env: ({ simulatorAccounts, publicBaseUrls }) => ({
      SIM_ACCOUNTS: simulatorAccounts,
      SIM_INBOUND_URL: `${publicBaseUrls['webhook-ingest']}/twilio/sms/inbound`,
      SIM_CALLBACKS_URL: publicBaseUrls['webhook-ingest'],
      // As a number is to be configured: asked again when it fails, and then once more as the fallback.
      SIM_VOICE_URL: `${publicBaseUrls['voice-svc']}/twilio/voice/inbound#rc=5&rp=5xx,ct,rt&ct=2000&rt=9000`,
      SIM_VOICE_FALLBACK_URL: `${publicBaseUrls['voice-svc']}/twilio/voice/inbound#rc=5&rp=5xx,ct,rt&ct=2000&rt=9000`,
    }),
  },
  {
    name: 'webhook-ingest',
    port: 8080,
    portVariable: 'INGEST_PORT',
    public: true,
    env: (surroundings) => ({
      ...common(surroundings),
      SPOOL_DIR: `${surroundings.dataDirectory}/webhook-ingest`,
      BLOB_DIR: `${surroundings.dataDirectory}/blobs`,
    }),
  },
  {
    name: 'messaging-svc',
    port: 8081,
    portVariable: 'MESSAGING_PORT',
    database: 'messaging',
    env: (surroundings) => ({ ...common(surroundings), DATABASE_URL: surroundings.databases['messaging'] }),
  },
  {
    name: 'verify-svc',
    port: 8083,
    portVariable: 'VERIFY_PORT',
    database: 'verify',
    env: (surroundings) => ({
      ...common(surroundings),
      DATABASE_URL: surroundings.databases['verify'],
      HASH_KEY: surroundings.secrets['VERIFY_HASH_KEY'],
      TOTP_KEYS: 'local=env:TOTP_KEY',
      TOTP_KEY: surroundings.secrets['VERIFY_TOTP_KEY'],
    }),
  },
  {
    name: 'email-svc',
    port: 8084,
    portVariable: 'EMAIL_PORT',
    database: 'email',
    public: true,
    env: (surroundings) => ({
      ...common(surroundings),
      DATABASE_URL: surroundings.databases['email'],
      UNSUBSCRIBE_BASE_URL: surroundings.publicBaseUrls['email-svc'],
      TEMPLATES_DIR: 'config/templates',
      BLOB_DIR: `${surroundings.dataDirectory}/blobs`,
    }),
  },
  {
    name: 'voice-svc',
    port: 8082,
    portVariable: 'VOICE_PORT',
    database: 'voice',
    public: true,
    env: (surroundings) => ({
      ...common(surroundings),
      DATABASE_URL: surroundings.databases['voice'],
      VOICE_PUBLIC_BASE_URL: surroundings.publicBaseUrls['voice-svc'],
      FLOWS_DIR: 'config/flows',
    }),
  },
];

/**
 * The services, all or those named, and so many processes of them: `messaging-svc`, `messaging-svc-2`, … on one database. The
 * simulator is always among them.
 */
export function withReplicas(
  replicas: Readonly<Record<string, number>> = {},
  only: readonly string[] = services.map(({ name }) => name),
): ServiceDefinition[] {
  const wanted = services.filter(({ name }) => name === simulator || only.includes(name));
  return wanted.flatMap((service) => [
    service,
    ...Array.from({ length: (replicas[service.name] ?? 1) - 1 }, (_, index): ServiceDefinition => {
      const { database: _migratedOnce, ...rest } = service;
      return { ...rest, name: `${service.name}-${index + 2}`, app: service.name };
    }),
  ]);
}
