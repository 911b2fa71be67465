import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { createDataSource, migrate, transactor } from '@signalbox/persistence';
import { createLogger } from '@signalbox/telemetry';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import { hash, randomUUID } from 'node:crypto';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { migrations } from '../migrations/migrations.ts';
import { SessionRetention } from './session-retention.ts';
import type { Step } from './step.ts';
import { StepStore } from './step-store.ts';

let database: TestDatabase;
let pool: pg.Pool;
let urgent = 0;
const open = () => new StepStore({ pool, patienceMs: 10_000, pauseMs: 1_000, onUrgent: () => void urgent++ });

beforeAll(async () => {
  database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
}, 60_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const newCall = () => `CA${randomUUID().replaceAll('-', '')}`;

function step(callSid: string, number: number, { flow = 'main', request = `${number}`, tenant = 'demo' } = {}): Step {
  const id = `${tenant}/${callSid}.${flow}.${number}`;
  return {
    callSid,
    tenant,
    callId: null,
    flow,
    version: 1,
    state: {
      node: `n${number}`,
      step: number,
      attempts: 0,
      variables: {},
      consented: false,
      counts: {},
      ended: false,
      marked: number,
    },
    digest: hash('sha1', request, 'buffer'),
    document: `<Response>${flow} ${number} ${request}</Response>`,
    queue: null,
    conference: null,
    at: new Date().toISOString(),
    events: [
      {
        topic: topics.voiceEvents.name,
        key: callSid,
        event: {
          id,
          source: '//spec',
          type: 'voice.flow.progressed.v1',
          time: new Date().toISOString(),
          data: { callSid, id },
        },
      },
    ],
  };
}

async function toldOf(callSid: string): Promise<string[]> {
  const { rows } = await pool.query<{ event: string }>(
    `select headers ->> 'ce_id' as event from outbox where key = $1 order by id`,
    [callSid],
  );
  return rows.map(({ event }) => event.split('.').slice(1).join('.'));
}

async function rowOf(callSid: string) {
  const { rows } = await pool.query<object>('select flow, step, earlier from flow_sessions where call_sid = $1', [
    callSid,
  ]);
  return rows;
}

describe('the row of a call', () => {
  it.each([1, 2])('is moved once, by whoever comes first, with %d replicas', async (replicas) => {
    const stores = Array.from({ length: replicas }, open);
    const callSid = newCall();
    for (const number of [1, 2, 3]) {
      const asked = ['a', 'a', 'b', 'a'].map((request, index) =>
        (stores[index % replicas] as StepStore).take(step(callSid, number, { request })),
      );
      const answers = await Promise.all(asked);
      expect(new Set(answers.map(({ document }) => document)).size).toBe(1);
      expect(answers.filter(({ outcome }) => outcome === 'taken')).toHaveLength(1);
    }
    expect(await rowOf(callSid)).toEqual([{ flow: 'main', step: 3, earlier: null }]);
    expect(await toldOf(callSid)).toEqual(['main.1', 'main.2', 'main.3']);
  });

  it('tells a repeat from another answer, and from what comes when the call has gone on', async () => {
    const store = open();
    const callSid = newCall();
    await store.take(step(callSid, 1));
    expect(await store.take(step(callSid, 1))).toEqual({
      outcome: 'repeated',
      document: '<Response>main 1 1</Response>',
    });
    expect(await store.take(step(callSid, 1, { request: 'other' }))).toEqual({
      outcome: 'overtaken',
      document: '<Response>main 1 1</Response>',
    });
    await store.take(step(callSid, 2));
    expect(await store.take(step(callSid, 1))).toEqual({ outcome: 'late', document: '<Response>main 1 1</Response>' });
    expect(await rowOf(callSid)).toEqual([{ flow: 'main', step: 2, earlier: null }]);
    expect(await toldOf(callSid)).toEqual(['main.1', 'main.2']);
  });

  it('takes several steps of a call that come at once one after the other', async () => {
    const store = open();
    const callSid = newCall();
    // Of other calls too, so that all of it is in one batch.
    const others = Array.from({ length: 5 }, newCall);
    const batch = [1, 1, 2, 3, 2].map((number) => step(callSid, number));
    const answers = await Promise.all(
      [...others.map((other) => step(other, 1)), ...batch].map((one) => store.take(one)),
    );
    expect(answers.slice(others.length).map(({ outcome }) => outcome)).toEqual([
      'taken',
      'repeated',
      'taken',
      'taken',
      'repeated',
    ]);
    expect(await rowOf(callSid)).toEqual([{ flow: 'main', step: 3, earlier: null }]);
    expect(await toldOf(callSid)).toEqual(['main.1', 'main.2', 'main.3']);
  });

  it('goes on where the database missed steps, and takes none of them afterwards', async () => {
    const store = open();
    const callSid = newCall();
    await store.take(step(callSid, 1));
    expect(await store.take(step(callSid, 4))).toMatchObject({ outcome: 'taken' });
    expect(await store.take(step(callSid, 3))).toMatchObject({ outcome: 'late' });
    expect(await toldOf(callSid)).toEqual(['main.1', 'main.4']);
  });

  it('remembers how far the call was in flows it has left', async () => {
    const store = open();
    const callSid = newCall();
    for (const [flow, number] of [
      ['main', 1],
      ['main', 2],
      ['other', 1],
    ] as const)
      expect(await store.take(step(callSid, number, { flow }))).toMatchObject({ outcome: 'taken' });
    for (const number of [1, 2])
      expect(await store.take(step(callSid, number))).toEqual({
        outcome: 'late',
        document: `<Response>main ${number} ${number}</Response>`,
      });
    expect(await store.take(step(callSid, 3))).toMatchObject({ outcome: 'taken' });
    expect(await store.take(step(callSid, 1, { flow: 'other' }))).toMatchObject({ outcome: 'late' });
    expect(await rowOf(callSid)).toEqual([{ flow: 'main', step: 3, earlier: { main: 2, other: 1 } }]);
    expect(await toldOf(callSid)).toEqual(['main.1', 'main.2', 'other.1', 'main.3']);
  });

  it('that is erased in that moment leaves a repeat its own document', async () => {
    const callSid = newCall();
    await open().take(step(callSid, 1));
    const erasing = {
      async query(statement: pg.QueryConfig) {
        const result = await pool.query(statement);
        if (statement.name === 'flow-steps')
          await pool.query('delete from flow_sessions where call_sid = $1', [callSid]);
        return result;
      },
    } as unknown as pg.Pool;
    const store = new StepStore({ pool: erasing, patienceMs: 10_000, pauseMs: 1_000, onUrgent: () => undefined });
    expect(await store.take(step(callSid, 1))).toEqual({ outcome: 'late', document: '<Response>main 1 1</Response>' });
  });

  it('is another one for another tenant', async () => {
    const store = open();
    const callSid = newCall();
    await store.take(step(callSid, 5));
    expect(await store.take(step(callSid, 1, { tenant: 'other' }))).toMatchObject({ outcome: 'taken' });
    expect((await store.place('demo', callSid))?.state.step).toBe(5);
    expect(await store.place('other', callSid)).toMatchObject({
      state: { step: 1 },
      document: '<Response>main 1 1</Response>',
    });
  });

  it('stays on its page from step to step, so that no index is written', async () => {
    const store = open();
    const callSid = newCall();
    const pageOf = async () =>
      (
        await pool.query<{ page: string }>(
          `select split_part(ctid::text, ',', 1) as page from flow_sessions where call_sid = $1`,
          [callSid],
        )
      ).rows;
    await store.take(step(callSid, 1));
    const page = await pageOf();
    for (const number of [2, 3, 4]) await store.take(step(callSid, number));
    expect(await pageOf()).toEqual(page);
  });
});

it('the row goes a day after the last step of a call that began a day ago', async () => {
  const store = open();
  const [old, longCall, young] = [newCall(), newCall(), newCall()];
  for (const callSid of [old, longCall, young]) await store.take(step(callSid, 1));
  const now = new Date();
  const age = (hours: number) => new Date(now.getTime() - hours * 3_600_000);
  await pool.query('update flow_sessions set begun_at = $2, updated_at = $3 where call_sid = $1', [
    old,
    age(26),
    age(25),
  ]);
  await pool.query('update flow_sessions set begun_at = $2, updated_at = $3 where call_sid = $1', [
    longCall,
    age(26),
    age(23),
  ]);
  const dataSource: DataSource = createDataSource({ url: database.url, applicationName: 'spec' });
  await dataSource.initialize();
  try {
    const retention = new SessionRetention(transactor(dataSource), createLogger('spec', { level: 'silent' }));
    expect(await retention.remove(now)).toBe(false);
  } finally {
    await dataSource.destroy();
  }
  expect([await rowOf(old), await rowOf(longCall), await rowOf(young)].map((rows) => rows.length)).toEqual([0, 1, 1]);
});
