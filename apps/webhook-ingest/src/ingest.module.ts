import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { EventProducer, createKafka, kafkaSettings } from '@signalbox/kafka';
import type { ServiceContext } from '@signalbox/service';
import { loadTenants, TenantDirectory } from '@signalbox/tenants';
import type { IngestConfig } from './config.ts';
import { PublicUrl } from './http/public-url.ts';
import { Intake } from './intake/intake.ts';
import { Durability } from './spool/durability.ts';
import { MessagingController } from './twilio/messaging.controller.ts';

const controllers = [MessagingController];

@Module({})
class UnderBasePath {}

@Module({})
export class IngestModule implements OnApplicationShutdown {
  constructor(
    private readonly tenants: TenantDirectory,
    private readonly durability: Durability,
  ) {}

  static async create(
    { config, logger, health }: ServiceContext<IngestConfig>,
    env: NodeJS.ProcessEnv,
  ): Promise<DynamicModule> {
    const publicUrl = new PublicUrl(config.PUBLIC_BASE_URL);
    const tenants = await loadTenants(config.TENANTS_FILE, env);
    tenants.watch(logger);
    const producer = new EventProducer(createKafka(kafkaSettings(env, 'webhook-ingest'), logger), { timeoutMs: 5_000 });
    const durability = new Durability(producer, config, logger);
    durability.registerChecks(health);
    const intake = { provide: Intake, useValue: new Intake(publicUrl, tenants, durability, logger) };
    return {
      module: IngestModule,
      // Both with the base path and without: proxies differ in whether they strip it.
      controllers,
      imports: publicUrl.basePath
        ? [
            { module: UnderBasePath, controllers, providers: [intake] },
            RouterModule.register([{ path: publicUrl.basePath, module: UnderBasePath }]),
          ]
        : [],
      providers: [
        intake,
        { provide: TenantDirectory, useValue: tenants },
        { provide: Durability, useValue: durability },
      ],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    this.tenants.close();
    await this.durability.close();
  }
}
