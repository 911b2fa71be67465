import type { PlaceCallCommand } from '@signalbox/contracts';
import { createDataSource, migrate, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { accept } from '../src/acceptance/accept.rules.ts';
import type { Call } from '../src/call/call.ts';
import { insert } from '../src/call/call.store.ts';
import { migrations } from '../src/migrations/migrations.ts';
import { command, tenant } from './builders.ts';

export interface VoiceDatabase {
  readonly url: string;
  readonly dataSource: DataSource;
  readonly transact: Transact;
  close(): Promise<void>;
}

/** A migrated voice database of its own for one spec file. */
export async function voiceDatabase(): Promise<VoiceDatabase> {
  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  const dataSource = createDataSource({ url: database.url, applicationName: 'spec', poolSize: 8 });
  await dataSource.initialize();
  return {
    url: database.url,
    dataSource,
    transact: transactor(dataSource),
    async close() {
      await dataSource.destroy();
      await database.drop();
    },
  };
}

/** Accepts calls, as acceptance would. */
export async function acceptCalls(
  { transact }: Pick<VoiceDatabase, 'transact'>,
  count: number,
  changes: Partial<PlaceCallCommand> = {},
): Promise<Call[]> {
  const now = new Date();
  const steps = Array.from({ length: count }, () => {
    const id = uuidv7();
    const request = command({ idempotencyKey: id, ...changes });
    const context = { id, now, tenant: { ...tenant, name: request.tenant }, digest: 'digest', traceparent: undefined };
    return accept(request, { ...context, hasFlow: true });
  });
  await transact((tx) => insert(tx, steps));
  return steps.map(({ call }) => call);
}
