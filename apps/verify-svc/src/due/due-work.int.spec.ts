import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run, type Transaction, writeAll } from '@signalbox/persistence';
import { createLogger } from '@signalbox/telemetry';
import { verification } from '../../test/builders.ts';
import { type VerifyDatabase, verifyDatabase } from '../../test/database.ts';
import type { Guard } from '../guard/guard.ts';
import type { Opened, Opener, Want } from '../send/opener.ts';
import type { VerifyProvider } from '../send/provider.ts';
import type { Call, Sender } from '../send/sender.ts';
import type { Verification } from '../verification/verification.ts';
import { verificationsInserted } from '../verification/verification.store.ts';
import { DueWork } from './due-work.ts';

describe('due work, one of which always fails', () => {
  let database: VerifyDatabase;
  let work: DueWork;
  let bad: string;
  let away = '';
  const sent: string[] = [];

  /** Takes what is to be sent out of line, but for the bad one. */
  const opener = {
    async open(tx: Transaction, wants: readonly Extract<Want, { kind: 'more' }>[]): Promise<Opened[]> {
      const ids = wants.map(({ known }) => known.id);
      await run(tx, 'update verifications set due_at = null where id = any($1)', [ids]);
      if (ids.includes(bad)) throw new TypeError('cannot be sent');
      if (ids.includes(away)) throw Object.assign(new Error('the connection is lost'), { code: 'ECONNRESET' });
      return wants.map(({ known }) => ({ result: 'opened', verification: known }) as Opened);
    },
  };
  const sender = { send: ({ verification: { id } }: Call) => Promise.resolve(sent.push(id)) };
  const guard = {
    learn(_tx: Transaction, outcomes: readonly { verificationId: string }[]) {
      if (outcomes.some(({ verificationId }) => verificationId === bad)) throw new TypeError('cannot be ended');
    },
  };

  beforeAll(async () => (database = await verifyDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query('truncate verifications cascade');
    work = new DueWork(
      database.transact,
      opener as unknown as Opener,
      sender as unknown as Sender,
      {} as VerifyProvider,
      guard as unknown as Guard,
      { DUE_POLL_MS: 60_000, BACKGROUND_CONCURRENCY: 10 },
      createLogger('spec', { level: 'silent' }),
    );
  });
  afterEach(() => work.stop());

  async function insert(changes: Partial<Verification>): Promise<string> {
    const id = randomUUID();
    const one = verification({ id, idempotencyKey: id, ...changes });
    await database.transact((tx) => writeAll(tx, [verificationsInserted([{ verification: one, changes: [] }])]));
    return id;
  }
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
  const rows = () =>
    database.dataSource.query<{ id: string; state: string; due: string }[]>(
      `select id, state, case when due_at is null then 'done' when due_at > now() + interval '1 minute' then 'put off' else 'due' end as due
       from verifications order by created_at`,
    );

  it('stops no other that is to be sent, and waits a while itself', async () => {
    const wanted = { wants: 'asked', expiresAt: null } as const;
    bad = await insert({ ...wanted, createdAt: ago(9), dueAt: ago(9) });
    const good = [await insert({ ...wanted, createdAt: ago(8), dueAt: ago(8) })];
    good.push(await insert({ ...wanted, createdAt: ago(7), dueAt: ago(7) }));
    await work.pass();
    expect((await rows()).map(({ id, due }) => [id, due])).toEqual([
      [bad, 'put off'],
      ...good.map((id) => [id, 'done']),
    ]);
  });

  it('is sent though the database is away for the next one, which stays due', async () => {
    const wanted = { wants: 'asked', expiresAt: null } as const;
    bad = await insert({ ...wanted, createdAt: ago(9), dueAt: ago(9) });
    const good = await insert({ ...wanted, createdAt: ago(8), dueAt: ago(8) });
    away = await insert({ ...wanted, createdAt: ago(7), dueAt: ago(7) });
    await work.pass();
    expect(sent.slice(-1)).toEqual([good]);
    expect((await rows()).map(({ id, due }) => [id, due])).toEqual([
      [bad, 'put off'],
      [good, 'done'],
      [away, 'due'],
    ]);
  });

  it('stops no other whose time is over', async () => {
    const over = { state: 'pending', lastSentAt: ago(900), expiresAt: ago(60) } as const;
    bad = await insert({ ...over, createdAt: ago(999), dueAt: ago(9) });
    const good = await insert({ ...over, createdAt: ago(998), dueAt: ago(8) });
    await work.pass();
    expect((await rows()).map(({ id, state }) => [id, state])).toEqual([
      [bad, 'pending'],
      [good, 'expired'],
    ]);
    expect((await rows())[0]?.due).toBe('put off');
  });
});
