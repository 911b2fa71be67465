import { type DynamicModule, Module, type ModuleMetadata } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Topic } from '@signalbox/contracts';
import { GroupCommitFull } from '@signalbox/group-commit';
import { BatchTransport, EventProducer } from '@signalbox/kafka';
import { isTransient, type MigrationClass, type Transact, type Transaction } from '@signalbox/persistence';
import type { ServiceContext, ServiceOptions } from '@signalbox/service';
import type { z } from 'zod';
import type { domainConfig } from './config.ts';
import { FoundationModule, KAFKA, TRANSACT } from './module.ts';

type DomainSchema = z.ZodObject<ReturnType<typeof domainConfig>['shape']>;

export interface DomainServiceOptions<Schema extends DomainSchema> extends Pick<
  ServiceOptions<Schema>,
  'name' | 'port' | 'config' | 'openapi' | 'http'
> {
  /** In any order; the outbox's among them. */
  readonly migrations: MigrationClass[];
  /** For a service that waits on small batches: see `DatabaseSettings`. */
  readonly genericPlans?: boolean;
  /** For a service whose users wait for its transactions: see `DatabaseSettings`. */
  readonly pipelined?: boolean;
  /** What it reads; each needs exactly one `@OnBatch` handler among the controllers. */
  readonly topics: readonly Topic[];
  /** What it reads besides, with consumers of their own in groups `<KAFKA_GROUP_ID>.<name>`: see `BatchTransportOptions`. */
  readonly apart?: Readonly<Record<string, readonly Topic[]>>;
  /** Its own controllers and providers, which can inject all that a domain service stands on. */
  readonly parts: (
    context: ServiceContext<z.output<Schema>>,
  ) => Pick<ModuleMetadata, 'controllers' | 'providers'> | Promise<Pick<ModuleMetadata, 'controllers' | 'providers'>>;
  /**
   * Makes what is awaited before the transaction of each batch of a topic, e.g. to have looked up what a handler needs: no handler may
   * wait for the network while it holds a connection and locks.
   */
  readonly beforeBatch?: (app: NestFastifyApplication) => (topic: Topic) => Promise<void>;
  /** Makes what is called after each committed batch of a topic, e.g. to wake a dispatcher. */
  readonly afterBatch?: (app: NestFastifyApplication) => (topic: Topic) => void;
  /** Errors of its handlers, besides the database's, after which a batch is tried again for as long as it takes. */
  readonly isTransient?: (error: unknown) => boolean;
}

@Module({})
class DomainModule {}

/**
 * A service that owns a database and speaks over Kafka and HTTP: what `runService` starts. Tenants, Kafka, the database with
 * its pending migrations, the outbox relay, the batch transport, readiness and the order of a stop are all in it.
 */
export function domainService<Schema extends DomainSchema>(
  options: DomainServiceOptions<Schema>,
): ServiceOptions<Schema> {
  const { name, port, config, migrations, genericPlans, pipelined, topics, apart, openapi } = options;
  return {
    name,
    port,
    config,
    module: async (context): Promise<DynamicModule> => ({
      module: DomainModule,
      imports: [await FoundationModule.create(context, { name, migrations, genericPlans, pipelined })],
      ...(await options.parts(context)),
    }),
    transports: (app, context) => {
      const { health } = context;
      const { KAFKA_GROUP_ID: groupId } = context.config;
      const transact: Transact = app.get(TRANSACT);
      const beforeBatch = options.beforeBatch?.(app);
      const afterBatch = options.afterBatch?.(app);
      const transport = new BatchTransport<Transaction>({
        kafka: app.get(KAFKA),
        groupId,
        producer: app.get(EventProducer),
        topics,
        ...(apart && { apart }),
        transact: async (work, topic) => {
          await beforeBatch?.(topic);
          await transact(work);
          afterBatch?.(topic);
        },
        isTransient: (error) => isTransient(error) || (options.isTransient?.(error) ?? false),
      });
      health.register('kafka', () => {
        if (!transport.ready()) throw new Error('not in the consumer group, or out of contact with the brokers');
      });
      return [transport];
    },
    // More requests wait than there is room for: a matter of trying again, like a database that is away.
    http: (read) => ({
      isTransient: (error) => error instanceof GroupCommitFull || isTransient(error),
      ...(typeof options.http === 'function' ? options.http(read) : options.http),
    }),
    ...(openapi && { openapi }),
  };
}
