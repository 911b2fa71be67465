import { Controller, Get, Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EventOf, examples, topics } from '@signalbox/contracts';
import { GroupCommitFull } from '@signalbox/group-commit';
import { type Batch, createKafka, ensureTopics, OnBatch } from '@signalbox/kafka';
import { Outbox, outboxMigration, run, type Transact, type Transaction } from '@signalbox/persistence';
import { type RunningService, startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testDatabase, type TestDatabase, testKafka } from '@signalbox/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlone } from './alone.ts';
import { domainConfig } from './config.ts';
import { TRANSACT } from './module.ts';
import { domainService } from './service.ts';

@Controller()
class Handler {
  @OnBatch(topics.analyticsEvents)
  async take(_batch: Batch<EventOf<typeof topics.analyticsEvents>>, _tx: Transaction): Promise<void> {}

  @Get('full')
  full(): never {
    throw new GroupCommitFull(1);
  }
}

/** Work of the service's own, which at the end of it still needs the database. */
@Injectable()
class LastWork implements OnApplicationShutdown {
  static outboxAtEnd: number | undefined;

  constructor(@Inject(TRANSACT) readonly transact: Transact) {}

  async onApplicationShutdown(): Promise<void> {
    const { rows } = await this.transact((tx) => run<{ count: string }>(tx, 'select count(*) from outbox'));
    LastWork.outboxAtEnd = Number(rows[0]?.count);
  }
}

/** Does `work` while every connection of the pool is taken. */
async function busyPool(transact: Transact, work: () => Promise<void>): Promise<void> {
  const done = Promise.withResolvers<void>();
  const holders = Array.from({ length: poolSize }, () => {
    const held = Promise.withResolvers<void>();
    const over = transact(async () => {
      held.resolve();
      await done.promise;
    });
    return { held: held.promise, over };
  });
  await Promise.all(holders.map(({ held }) => held));
  await work().finally(() => done.resolve());
  await Promise.all(holders.map(({ over }) => over));
}

const poolSize = 4;
const sid = '0'.repeat(32);

describe('domainService', () => {
  const names = testKafka();
  let folder: string;
  let database: TestDatabase;
  let service: RunningService | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'domain-'));
    await writeFile(
      join(folder, 'tenants.yaml'),
      `version: 1
tenants:
  - name: demo
    twilio: { accountSid: AC${sid}, apiKey: { sid: SK${sid}, secret: env:SPEC_SECRET }, authTokens: [env:SPEC_SECRET] }
`,
    );
    process.env['SPEC_SECRET'] = 'secret';
    database = await testDatabase();
    const logger = createLogger('spec', { level: 'silent' });
    await ensureTopics(createKafka({ brokers: names.brokers, clientId: 'spec' }, logger), [topics.analyticsEvents]);
  });
  afterAll(async () => {
    await service?.stop();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const env = () => ({
    PORT: '0',
    LOG_LEVEL: 'silent',
    KAFKA_BROKERS: names.brokers.join(','),
    KAFKA_GROUP_ID: names.group('domain'),
    DATABASE_URL: database.url,
    TENANTS_FILE: join(folder, 'tenants.yaml'),
    DATABASE_POOL_SIZE: String(poolSize),
    MIGRATE_ON_START: 'true',
  });
  const definition = (controllers: (typeof Handler)[]) =>
    domainService({
      name: 'spec-svc',
      port: 0,
      config: domainConfig('spec-svc'),
      migrations: [outboxMigration],
      topics: [topics.analyticsEvents],
      parts: () => ({ controllers, providers: [LastWork] }),
    });

  it('migrates, is ready when database and consumer group are, answers 503 when too many wait, publishes its outbox, and stops its own work first', async () => {
    service = await startService(definition([Handler]), env());
    await eventually(async () =>
      expect(await (await fetch(`${service?.url}/readyz`)).json()).toEqual({
        status: 'ready',
        checks: { postgres: 'ok', kafka: 'ok' },
      }),
    );
    await busyPool(service.app.get(TRANSACT), async () => {
      const ready = await fetch(`${service?.url}/readyz`);
      expect([ready.status, await ready.json()]).toMatchObject([200, { checks: { postgres: 'ok' } }]);
    });
    const full = await fetch(`${service.url}/full`);
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '5']);

    const transact: Transact = service.app.get(TRANSACT);
    const type = 'analytics.anomaly.opened.v1';
    const event = { id: '1', source: '//spec', type, time: new Date().toISOString(), data: examples[type] };
    const topic = topics.analyticsEvents.name;
    await transact((tx) => new Outbox().append(tx, [{ topic, key: 'spec', event }]));
    const left = () => transact((tx) => run<{ count: string }>(tx, 'select count(*) from outbox'));
    await eventually(async () => expect((await left()).rows).toEqual([{ count: '0' }]));

    const alone = (tx: Transaction) => isAlone(tx, 'spec');
    const pair = await transact(async (tx) => [await alone(tx), await transact(alone)]);
    expect([...pair, await transact(alone)]).toEqual([true, false, true]);

    await service.stop();
    service = undefined;
    expect(LastWork.outboxAtEnd).toBe(0);
  });

  it('does not start when a topic it reads has no handler', async () => {
    await expect(startService(definition([]), env())).rejects.toThrow('subscriptions of domain-');
  });

  it('names every fault of its environment at once', async () => {
    await expect(startService(definition([Handler]), { DATABASE_POOL_SIZE: '1' })).rejects.toMatchObject({
      faults: expect.arrayContaining([
        expect.stringMatching(/^DATABASE_URL: is required/),
        expect.stringMatching(/^DATABASE_POOL_SIZE: /),
        expect.stringMatching(/^KAFKA_BROKERS: is required/),
      ]),
    });
  });
});
