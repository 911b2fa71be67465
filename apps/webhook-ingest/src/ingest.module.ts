import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { BlobStore } from '@signalbox/blob-store';
import { PublicUrl, Refusals } from '@signalbox/edge';
import { EventProducer, createKafka, kafkaSettings, platformaticSession } from '@signalbox/kafka';
import type { ServiceContext } from '@signalbox/service';
import { loadTenants, TenantDirectory } from '@signalbox/tenants';
import type { FastifyInstance } from 'fastify';
import type { IngestConfig } from './config.ts';
import { Intake } from './intake/intake.ts';
import { serveCallbacks } from './routes.ts';
import { BlobRetention } from './sendgrid/blob-retention.ts';
import { SendgridEventReceiver } from './sendgrid/event-receiver.ts';
import { SendgridInboundReceiver } from './sendgrid/inbound-receiver.ts';
import { Durability } from './spool/durability.ts';
import { TwilioReceiver } from './twilio/receiver.ts';

@Module({})
export class IngestModule implements OnApplicationShutdown {
  #retention: BlobRetention | undefined;

  constructor(
    private readonly tenants: TenantDirectory,
    private readonly durability: Durability,
  ) {}

  static async create(
    { config, logger, health }: ServiceContext<IngestConfig>,
    env: NodeJS.ProcessEnv,
  ): Promise<DynamicModule> {
    const tenants = await loadTenants(config.TENANTS_FILE, env);
    tenants.watch(logger);
    const settings = kafkaSettings(env, 'webhook-ingest');
    const producer = new EventProducer(createKafka(settings, logger), {
      session: platformaticSession(settings),
      timeoutMs: 5_000,
      minIntervalMs: 2,
    });
    const durability = new Durability(producer, config, logger);
    durability.registerChecks(health);
    return {
      module: IngestModule,
      providers: [
        { provide: TenantDirectory, useValue: tenants },
        { provide: Durability, useValue: durability },
      ],
    };
  }

  /** Puts the routes on the server. */
  async serve(server: FastifyInstance, { config, logger }: ServiceContext<IngestConfig>): Promise<void> {
    const { tenants } = this;
    const publicUrls = [
      new PublicUrl(config.PUBLIC_BASE_URL),
      ...config.PUBLIC_BASE_URL_ALIASES.map((url) => new PublicUrl(url)),
    ] as const;
    const refusals = new Refusals(logger, config.UNAUTHENTICATED_PER_MINUTE);
    const intake = new Intake(this.durability, logger);
    const blobs = config.BLOB_DIR === undefined ? undefined : await BlobStore.open(config.BLOB_DIR);
    if (blobs) {
      this.#retention = new BlobRetention(blobs, config.BLOB_MAX_AGE_DAYS, logger);
      this.#retention.start();
    }
    serveCallbacks(server, new Set(['', ...publicUrls.map(({ basePath }) => basePath)]), {
      twilio: new TwilioReceiver(publicUrls, tenants, intake, refusals, logger, config.AUTH_MODE),
      sendgridEvents: new SendgridEventReceiver(tenants, intake, refusals, config.SENDGRID_MAX_AGE_SECONDS),
      sendgridInbound:
        blobs &&
        new SendgridInboundReceiver(tenants, blobs, intake, refusals, {
          places: config.INBOUND_CONCURRENCY,
          maxWaiting: 256,
          patienceMs: 15_000,
        }),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.tenants.close();
    await this.#retention?.stop();
    await this.durability.close();
  }
}
