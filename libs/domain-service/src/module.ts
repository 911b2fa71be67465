import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { createKafka, EventProducer, kafkaSettings } from '@signalbox/kafka';
import {
  createDataSource,
  DatabaseProbe,
  migrate,
  type MigrationClass,
  OutboxRelay,
  transactor,
} from '@signalbox/persistence';
import { Health, type ServiceContext, TOKEN_DIRECTORY } from '@signalbox/service';
import { loadTenants, TenantDirectory } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import type { DomainConfig } from './config.ts';

/** To inject the service's `Transact`; it wakes the outbox relay after each commit. */
export const TRANSACT = Symbol('transact');

/** To inject the Kafka client. */
export const KAFKA = Symbol('kafka');

export interface Foundation {
  readonly name: string;
  readonly migrations: MigrationClass[];
  readonly genericPlans?: boolean | undefined;
  readonly pipelined?: boolean | undefined;
}

/**
 * What a domain service stands on: tenants, Kafka, its database, the outbox relay. Being global it starts before the service's
 * own modules and stops after them.
 */
@Module({})
export class FoundationModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(Health) private readonly health: Health,
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(DatabaseProbe) private readonly probe: DatabaseProbe,
    @Inject(EventProducer) private readonly producer: EventProducer,
    @Inject(OutboxRelay) private readonly relay: OutboxRelay,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
  ) {}

  /** Connects at once, so that a fault shows at start. */
  static async create(
    { config, logger }: ServiceContext<DomainConfig>,
    { name, migrations, genericPlans = false, pipelined = false }: Foundation,
  ): Promise<DynamicModule> {
    const tenants = await loadTenants(config.TENANTS_FILE);
    tenants.watch(logger);

    const kafka = createKafka(kafkaSettings(process.env, name), logger);
    const dataSource = createDataSource({
      url: config.DATABASE_URL,
      migrations,
      genericPlans,
      pipelined,
      applicationName: name,
      poolSize: config.DATABASE_POOL_SIZE,
      onConnectionLost: (err) => logger.warn({ err }, 'an idle database connection was lost'),
    });
    if (config.MIGRATE_ON_START) {
      const applied = await migrate(dataSource);
      if (applied.length > 0) logger.info({ applied }, 'database migrated');
    }
    await dataSource.initialize();
    const relay = new OutboxRelay({ dataSource, kafka, name, logger });
    const providers = [
      { provide: TenantDirectory, useValue: tenants },
      { provide: TOKEN_DIRECTORY, useValue: tenants },
      { provide: KAFKA, useValue: kafka },
      { provide: EventProducer, useValue: new EventProducer(kafka) },
      { provide: DataSource, useValue: dataSource },
      { provide: DatabaseProbe, useValue: new DatabaseProbe(dataSource) },
      { provide: OutboxRelay, useValue: relay },
      { provide: TRANSACT, useValue: transactor(dataSource, () => relay.nudge()) },
    ];
    return { module: FoundationModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }

  onApplicationBootstrap(): void {
    this.health.register('postgres', () => this.probe.ask());
    this.relay.start();
  }

  /** HTTP, the Kafka consumer and the service's own work have stopped by now: nothing new comes in. */
  async onApplicationShutdown(): Promise<void> {
    this.tenants.close();
    await this.relay.stop();
    await this.producer.disconnect();
    await this.probe.close();
    await this.dataSource.destroy();
  }
}
