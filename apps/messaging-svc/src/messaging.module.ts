import { type DynamicModule, Module } from '@nestjs/common';
import { createKafka, EventProducer, kafkaSettings } from '@signalbox/kafka';
import { createDataSource, migrate, OutboxRelay, transactor } from '@signalbox/persistence';
import { type ServiceContext, TOKEN_DIRECTORY } from '@signalbox/service';
import { loadTenants, TenantDirectory } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptance.ts';
import { Analytics } from './analytics/analytics.ts';
import { AnalyticsController } from './analytics/analytics.controller.ts';
import { CONFIG, type MessagingConfig } from './config.ts';
import { loadPrices, PRICES } from './content/prices.ts';
import { DeliveryHandler } from './delivery/delivery.handler.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { MessageProvider } from './dispatch/provider.ts';
import { Fallback } from './fallback/fallback.ts';
import { MessageController } from './http/message.controller.ts';
import { InboundController } from './inbound/inbound.controller.ts';
import { InboundHandler } from './inbound/inbound.handler.ts';
import { KAFKA, Lifecycle } from './lifecycle.ts';
import { migrations } from './migrations/migrations.ts';
import { QuotaBook } from './quota/quota.book.ts';
import { QuotaController } from './quota/quota.controller.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { ErasureController } from './retention/erasure.controller.ts';
import { Retention } from './retention/retention.ts';
import { SuppressionController } from './suppression/suppression.controller.ts';
import { TRANSACT } from './transact.ts';

@Module({})
export class MessagingModule {}

/** Connects what the service stands on, so that a fault shows at start, and puts its capabilities together. */
export async function messagingModule({ config, logger }: ServiceContext<MessagingConfig>): Promise<DynamicModule> {
  const tenants = await loadTenants(config.TENANTS_FILE);
  tenants.watch(logger);

  const kafka = createKafka(kafkaSettings(process.env, 'messaging-svc'), logger);
  const dataSource = createDataSource({
    url: config.DATABASE_URL,
    migrations,
    applicationName: 'messaging-svc',
    poolSize: config.DATABASE_POOL_SIZE,
    onConnectionLost: (err) => logger.warn({ err }, 'an idle database connection was lost'),
  });
  if (config.MIGRATE_ON_START === 'true') {
    const applied = await migrate(dataSource);
    if (applied.length > 0) logger.info({ applied }, 'database migrated');
  }
  await dataSource.initialize();
  const relay = new OutboxRelay({ dataSource, kafka, name: 'messaging-svc', logger });

  return {
    module: MessagingModule,
    controllers: [
      AcceptanceHandler,
      DeliveryHandler,
      InboundHandler,
      MessageController,
      QuotaController,
      InboundController,
      SuppressionController,
      AnalyticsController,
      ErasureController,
    ],
    providers: [
      { provide: CONFIG, useValue: config },
      { provide: PRICES, useValue: await loadPrices(config.PRICES_FILE) },
      { provide: TenantDirectory, useValue: tenants },
      { provide: TOKEN_DIRECTORY, useValue: tenants },
      { provide: KAFKA, useValue: kafka },
      { provide: EventProducer, useValue: new EventProducer(kafka) },
      { provide: DataSource, useValue: dataSource },
      { provide: OutboxRelay, useValue: relay },
      { provide: TRANSACT, useValue: transactor(dataSource, () => relay.nudge()) },
      QuotaBook,
      Acceptor,
      MessageProvider,
      Dispatcher,
      Reconciler,
      Fallback,
      Analytics,
      Retention,
      Lifecycle,
    ],
  };
}
