import { createDataSource, migrate, run, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { accept } from '../src/acceptance/accept.rules.ts';
import type { Message, Step } from '../src/message/message.ts';
import { insert } from '../src/message/message.store.ts';
import { migrations } from '../src/migrations/migrations.ts';
import { v7 as uuidv7 } from 'uuid';
import { acceptance, command, tenant } from './builders.ts';

export interface MessagingDatabase {
  readonly dataSource: DataSource;
  readonly transact: Transact;
  close(): Promise<void>;
}

/** A migrated messaging database of its own for one spec file. */
export async function messagingDatabase(): Promise<MessagingDatabase> {
  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  const dataSource = createDataSource({ url: database.url, applicationName: 'spec', poolSize: 8 });
  await dataSource.initialize();
  return {
    dataSource,
    transact: transactor(dataSource),
    async close() {
      await dataSource.destroy();
      await database.drop();
    },
  };
}

/** Puts accepted messages into the queue, as acceptance would. */
export async function queueMessages(
  { transact }: MessagingDatabase,
  count: number,
  changes: (index: number) => Parameters<typeof command>[0] = () => ({}),
): Promise<Message[]> {
  const now = new Date();
  const steps: Step[] = Array.from({ length: count }, (_, index) => {
    const id = uuidv7();
    const request = command({ idempotencyKey: id, ...changes(index) });
    return accept(request, {
      id,
      now,
      tenant: { ...tenant, name: request.tenant },
      digest: 'digest',
      traceparent: undefined,
      ...acceptance,
    });
  });
  await transact((tx) => insert(tx, steps));
  return steps.map(({ message }) => message);
}

/** What the outbox holds, in its order. */
export async function outboxEvents({
  transact,
}: MessagingDatabase): Promise<{ key: string; data: { sequence: number; state: string } }[]> {
  return transact(async (tx) => {
    const { rows } = await run<{ key: string; value: string }>(tx, 'select key, value from outbox order by id');
    return rows.map(({ key, value }) => ({ key, data: JSON.parse(value) as { sequence: number; state: string } }));
  });
}
