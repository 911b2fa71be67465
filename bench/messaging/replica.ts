/**
 * One capability of messaging-svc as a process: its built classes on their transport and their database, without what else
 * the service does. ROLE: `callbacks`, `commands` or `dispatch`.
 */
import 'reflect-metadata';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MessageHandler, MicroserviceOptions } from '@nestjs/microservices';
import { topics } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { type Batch, BatchTransport, createKafka, EventProducer, kafkaSettings } from '@signalbox/kafka';
import { Dispatcher, quotaBook } from '@signalbox/outbound';
import { createDataSource, isTransient, type Transact, type Transaction, transactor } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import { createLogger, startTelemetry } from '@signalbox/telemetry';
import { loadTenants, TenantDirectory } from '@signalbox/tenants';
import type * as Acceptance from '../../apps/messaging-svc/src/acceptance/acceptance.handler.ts';
import type * as Acceptors from '../../apps/messaging-svc/src/acceptance/acceptor.ts';
import type * as Config from '../../apps/messaging-svc/src/config.ts';
import type * as Prices from '../../apps/messaging-svc/src/content/prices.ts';
import type * as Delivery from '../../apps/messaging-svc/src/delivery/delivery.handler.ts';
import type * as Dispatch from '../../apps/messaging-svc/src/dispatch/dispatcher.ts';
import type * as Provider from '../../apps/messaging-svc/src/dispatch/provider.ts';
import type * as Kinds from '../../apps/messaging-svc/src/quota/quota-kinds.rules.ts';
import { Meter } from './meter.ts';

// The built ones: Node does not run decorators.
const built = async <Exports>(name: string) => (await import(`../../apps/messaging-svc/dist/${name}.js`)) as Exports;
const { AcceptanceHandler } = await built<typeof Acceptance>('acceptance/acceptance.handler');
const { Acceptor } = await built<typeof Acceptors>('acceptance/acceptor');
const { CONFIG, messagingConfig } = await built<typeof Config>('config');
const { PRICES } = await built<typeof Prices>('content/prices');
const { DeliveryHandler } = await built<typeof Delivery>('delivery/delivery.handler');
const { dispatcher } = await built<typeof Dispatch>('dispatch/dispatcher');
const { MessageProvider } = await built<typeof Provider>('dispatch/provider');
const { givenQuotas } = await built<typeof Kinds>('quota/quota-kinds.rules');

const meter = new Meter(process.env);
const config = messagingConfig.parse(process.env);
const logger = createLogger('messaging-svc', { level: 'warn' });
startTelemetry({ service: 'messaging-svc', version: 'bench', env: process.env, logger });
const dataSource = createDataSource({
  url: config.DATABASE_URL,
  applicationName: 'messaging-svc',
  poolSize: config.DATABASE_POOL_SIZE,
});
await dataSource.initialize();
const transact = transactor(dataSource);
const tenants = await loadTenants(config.TENANTS_FILE);

class Root {}
Module({})(Root);
const root = (parts: Pick<DynamicModule, 'controllers' | 'providers'>): DynamicModule => ({
  module: Root,
  ...parts,
  providers: [
    { provide: CONFIG, useValue: config },
    { provide: LOGGER, useValue: logger },
    { provide: PRICES, useValue: null },
    { provide: TRANSACT, useValue: transact },
    { provide: TenantDirectory, useValue: tenants },
    quotaBook(givenQuotas),
    ...(parts.providers ?? []),
  ],
});

/** Counts records when the transaction that applied them is committed. */
class MeteredTransport extends BatchTransport<Transaction> {
  override addHandler(pattern: string, handler: MessageHandler, isEvent?: boolean, extras?: Record<string, unknown>) {
    const counting: MessageHandler = async (batch: Batch, tx: Transaction) => {
      sizes.set(tx, batch.size);
      return handler(batch, tx) as Promise<never>;
    };
    super.addHandler(pattern, counting, isEvent, extras);
  }
}
const sizes = new WeakMap<Transaction, number>();
const metered: Transact = async (work) => {
  let size = 0;
  const result = await transact(async (tx) => {
    const result = await work(tx);
    size = sizes.get(tx) ?? 0;
    return result;
  });
  meter.add(size);
  return result;
};

async function consume(
  topic: typeof topics.messagingCommands | typeof topics.twilioMessageCallbacks,
  module: DynamicModule,
) {
  const kafka = createKafka(kafkaSettings(process.env, 'messaging-svc'), logger);
  const strategy = new MeteredTransport({
    kafka,
    groupId: config.KAFKA_GROUP_ID,
    producer: new EventProducer(kafka),
    topics: [topic],
    transact: metered,
    isTransient,
  });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy,
    logger: false,
    abortOnError: false,
  });
  await app.listen();
}

const roles: Readonly<Record<string, () => Promise<void>>> = {
  callbacks: () => consume(topics.twilioMessageCallbacks, root({ controllers: [DeliveryHandler] })),
  commands: () => consume(topics.messagingCommands, root({ controllers: [AcceptanceHandler], providers: [Acceptor] })),
  async dispatch() {
    class MeteredProvider extends MessageProvider {
      override async send(...[message]: Parameters<InstanceType<typeof MessageProvider>['send']>) {
        const outcome = await super.send(message);
        if (outcome.kind === 'accepted') meter.add(1);
        return outcome;
      }
    }
    const provider = { provide: MessageProvider, useValue: new MeteredProvider(tenants, config) };
    const module = root({ providers: [provider, dispatcher] });
    const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    app.get(Dispatcher).start();
  },
};
const role = roles[process.env['ROLE'] ?? ''];
if (!role) throw new Error(`ROLE is ${Object.keys(roles).join(', ')}`);
await role();
