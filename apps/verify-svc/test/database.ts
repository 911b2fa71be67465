import { createDataSource, migrate, run, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { migrations } from '../src/migrations/migrations.ts';

export interface VerifyDatabase {
  readonly dataSource: DataSource;
  readonly transact: Transact;
  close(): Promise<void>;
}

/** A migrated verify database of its own for one spec file. */
export async function verifyDatabase(): Promise<VerifyDatabase> {
  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  const dataSource = createDataSource({ url: database.url, applicationName: 'spec', poolSize: 8, pipelined: true });
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

/** What the outbox holds, in its order. */
export async function outboxEvents<Data>({
  transact,
}: VerifyDatabase): Promise<{ topic: string; type: string; key: string; data: Data }[]> {
  return transact(async (tx) => {
    const { rows } = await run<{ topic: string; type: string; key: string; value: string }>(
      tx,
      `select topic, headers ->> 'ce_type' as type, key, value from outbox order by id`,
    );
    return rows.map(({ topic, type, key, value }) => ({ topic, type, key, data: JSON.parse(value) as Data }));
  });
}
