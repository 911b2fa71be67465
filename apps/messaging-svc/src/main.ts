import { topics } from '@signalbox/contracts';
import { BatchTransport, EventProducer } from '@signalbox/kafka';
import { isTransient, type Transact, type Transaction } from '@signalbox/persistence';
import { runService } from '@signalbox/service';
import { messagingConfig } from './config.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { KAFKA } from './lifecycle.ts';
import { messagingModule } from './messaging.module.ts';
import { TRANSACT } from './transact.ts';

await runService({
  name: 'messaging-svc',
  port: 8081,
  config: messagingConfig,
  module: messagingModule,
  transports: (app, { config, health }) => {
    const transact: Transact = app.get(TRANSACT);
    const dispatcher = app.get(Dispatcher);
    const transport = new BatchTransport<Transaction>({
      kafka: app.get(KAFKA),
      groupId: config.KAFKA_GROUP_ID,
      producer: app.get(EventProducer),
      topics: [topics.messagingCommands, topics.twilioMessageCallbacks, topics.twilioInboundCallbacks],
      transact: async (work) => {
        await transact(work);
        dispatcher.nudge();
      },
      isTransient,
    });
    health.register('kafka', () => {
      if (!transport.ready()) throw new Error('not in the consumer group, or out of contact with the brokers');
    });
    return [transport];
  },
  // An import of suppressions is read no faster than the database takes it.
  http: { isTransient, requestTimeoutMs: 300_000 },
  openapi: { title: 'Signalbox messaging', description: 'Send SMS, MMS and WhatsApp messages and follow them' },
});
