/** The events of SendGrid applied by the built handler of email-svc on its transport and database, without the rest of it. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MessageHandler, MicroserviceOptions } from '@nestjs/microservices';
import { topics } from '@signalbox/contracts';
import { type Batch, BatchTransport, createKafka, EventProducer, kafkaSettings } from '@signalbox/kafka';
import { createDataSource, isTransient, type Transact, type Transaction, transactor } from '@signalbox/persistence';
import { createLogger, startTelemetry } from '@signalbox/telemetry';
import type * as Progress from '../../apps/email-svc/src/progress/progress.handler.ts';
import { Meter } from '../messaging/meter.ts';

// The built one: Node does not run decorators.
const built = async <Exports>(name: string) => (await import(`../../apps/email-svc/dist/${name}.js`)) as Exports;
const { ProgressHandler } = await built<typeof Progress>('progress/progress.handler');

const meter = new Meter(process.env);
const logger = createLogger('email-svc', { level: 'warn' });
startTelemetry({ service: 'email-svc', version: 'bench', env: process.env, logger });
const dataSource = createDataSource({
  url: process.env['DATABASE_URL'] ?? '',
  applicationName: 'email-svc',
  poolSize: 10,
});
await dataSource.initialize();
const transact = transactor(dataSource);

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

class Root {}
Module({ controllers: [ProgressHandler] })(Root);
const kafka = createKafka(kafkaSettings(process.env, 'email-svc'), logger);
const strategy = new MeteredTransport({
  kafka,
  groupId: process.env['KAFKA_GROUP_ID'] ?? '',
  producer: new EventProducer(kafka),
  topics: [topics.sendgridEventCallbacks],
  transact: metered,
  isTransient,
});
const app = await NestFactory.createMicroservice<MicroserviceOptions>(Root, {
  strategy,
  logger: false,
  abortOnError: false,
});
await app.listen();
