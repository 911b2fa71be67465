import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeAll } from '@signalbox/persistence';
import { createLogger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { attempt, verification } from '../../test/builders.ts';
import { type VerifyDatabase, verifyDatabase } from '../../test/database.ts';
import { attemptsOpened } from '../send/attempt.store.ts';
import type { Verification } from '../verification/verification.ts';
import { verificationsInserted } from '../verification/verification.store.ts';
import { Retention } from './retention.ts';
import { eraseVerifications, openOf } from './retention.store.ts';

const day = 24 * 3_600_000;
const number = '+14155550199';
const tenants = {
  byName: (name: string) => (name === 'brief' ? { retention: { bodies: 'P1D', messages: 'P2D' } } : undefined),
} as unknown as TenantDirectory;

describe('retention', () => {
  let database: VerifyDatabase;
  let retention: Retention;
  beforeAll(async () => {
    database = await verifyDatabase();
    const log = createLogger('spec', { level: 'silent' });
    retention = new Retention(database.transact, tenants, { RETENTION_POLL_MS: 60_000 }, log);
  });
  afterAll(() => database.close());
  beforeEach(() => database.dataSource.query('truncate verifications cascade'));

  async function insert(changes: Partial<Verification> = {}): Promise<string> {
    const id = randomUUID();
    const one = verification({ id, idempotencyKey: id, state: 'approved', ...changes });
    const step = { verification: one, changes: [] };
    await database.transact((tx) =>
      writeAll(tx, [
        verificationsInserted([step]),
        attemptsOpened([attempt({ verificationId: id, state: 'accepted' })]),
      ]),
    );
    return id;
  }

  const read = async (id: string) => {
    const [row] = await database.dataSource.query<
      { row: Record<string, unknown> & { request: object; plan: object } }[]
    >(`select to_jsonb(v) as row from verifications v where id = $1`, [id]);
    const attempts = await database.dataSource.query<{ recipient: string | null }[]>(
      'select recipient from verification_attempts where verification_id = $1',
      [id],
    );
    return row && { ...row.row, attempts };
  };
  const ago = (days: number) => new Date(Date.now() - days * day).toISOString();

  it('takes the person out of what is older than its tenant wants, and deletes what is older still', async () => {
    const young = await insert({ tenant: 'brief', createdAt: ago(0.5) });
    const old = await insert({ tenant: 'brief', createdAt: ago(1.5) });
    const open = await insert({ tenant: 'brief', createdAt: ago(1.5), state: 'pending' });
    const gone = await insert({ tenant: 'brief', createdAt: ago(3) });
    const others = await insert({ tenant: 'demo', createdAt: ago(3) });
    await retention.pass(new Date());
    expect(await read(young)).toMatchObject({ recipient: number });
    expect(await read(open)).toMatchObject({ recipient: number });
    expect(await read(others)).toMatchObject({ recipient: number });
    expect(await read(gone)).toBeUndefined();
    const redacted = await read(old);
    expect(redacted).toMatchObject({
      recipient: null,
      recipient_hash: '',
      plan: [
        { channel: 'sms', to: null },
        { channel: 'call', to: null },
      ],
      request: { ip: null, userAgent: null, deviceId: null, purpose: 'login' },
      state: 'approved',
      attempts: [{ recipient: null }],
    });
    expect(JSON.stringify(redacted)).not.toContain('4155550199');
  });

  it('erases a person wherever they stand, but not while a code is under way', async () => {
    const ended = await insert();
    const byEmail = await insert({ recipient: 'a@example.com', plan: [{ channel: 'sms', to: number }] });
    const open = await insert({ state: 'pending' });
    const stranger = await insert({ tenant: 'other' });
    const person = { tenant: 'demo', recipient: number };
    expect(await database.transact((tx) => openOf(tx, person))).toEqual([open]);
    expect(await database.transact((tx) => eraseVerifications(tx, person))).toBe(2);
    for (const id of [ended, byEmail]) {
      const erased = await read(id);
      expect(erased).toMatchObject({ recipient: null, request: { subject: null, metadata: {}, ip: null } });
      expect(JSON.stringify(erased)).not.toContain('4155550199');
    }
    expect(await read(open)).toMatchObject({ recipient: number });
    expect(await read(stranger)).toMatchObject({ recipient: number });
    expect(await database.transact((tx) => eraseVerifications(tx, person))).toBe(0);
  });
});
