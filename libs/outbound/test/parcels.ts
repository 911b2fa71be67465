import type { Lane } from '@signalbox/contracts';
import {
  columns,
  createDataSource,
  migrate,
  run,
  type Transact,
  type Transaction,
  transactor,
  type Write,
  writeAll,
} from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { z } from 'zod';
import {
  type Answered,
  attemptTable,
  AttemptStore,
  type Decision,
  type Item,
  type ItemTable,
  laneNumber,
  laneOf,
  lineIndex,
  newAttempt,
  type Outgoing,
  type QuotaKind,
  quotaTables,
  type SendOutcome,
  type Settled,
} from '../src/index.ts';

/** What the smallest service that sends something has: parcels, paced by the city they go to. */
export interface Parcel extends Item {
  readonly city: string;
  readonly attempt: number;
  readonly dueAt: Date | null;
  readonly done: boolean;
}

interface ParcelRow {
  readonly id: string;
  readonly tenant: string;
  readonly lane: number;
  readonly queue: string;
  readonly due_at: Date | null;
  readonly city: string;
  readonly attempt: number;
  readonly done: boolean;
}

const parcelColumns = {
  id: 'uuid',
  tenant: 'text',
  lane: 'smallint',
  queue: 'text',
  due_at: 'timestamptz',
  city: 'text',
  attempt: 'integer',
  done: 'boolean',
} as const;

export const parcels: ItemTable<ParcelRow, Parcel> = {
  name: 'parcels',
  columns: Object.keys(parcelColumns),
  toItem: ({ lane, due_at: dueAt, ...row }) => ({ ...row, lane: laneOf(lane), dueAt }),
};

export const attempts = new AttemptStore('parcel_id', parcels);

export const kinds: readonly QuotaKind<Pick<Parcel, 'city'>>[] = [
  {
    name: 'city',
    plural: 'cities',
    description: 'a city',
    value: z.string().min(1),
    of: ({ city }) => [city],
    resolve: (value) => value.toLowerCase(),
    isKnown: (value) => value !== 'atlantis',
  },
];

class CreateParcels1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table parcels (
        id uuid primary key default gen_random_uuid(), tenant text not null, lane smallint not null,
        queue text not null default '', due_at timestamptz(3), city text not null, attempt integer not null default 0,
        done boolean not null default false
      )`);
    for (const sql of [...quotaTables, ...attemptTable('parcel_id'), ...lineIndex('parcels')]) await db.query(sql);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table parcels, attempts, quotas, quota_buckets');
  }
}

export async function parcelDatabase() {
  const database = await testDatabase({
    migrate: (url) =>
      migrate(createDataSource({ url, migrations: [CreateParcels1764000001000], applicationName: 'spec' })),
  });
  const dataSource = createDataSource({ url: database.url, applicationName: 'spec' });
  await dataSource.initialize();
  return {
    dataSource,
    transact: transactor(dataSource),
    async add(count: number, city = 'rome', lane: Lane = 'transactional', tenant = 'demo'): Promise<void> {
      await dataSource.query(
        `insert into parcels (tenant, lane, city, due_at) select $1, $2, $3, now() from generate_series(1, $4::int)`,
        [tenant, laneNumber(lane), city, count],
      );
    },
    async close() {
      await dataSource.destroy();
      await database.drop();
    },
  };
}

/** Sends parcels by `answer`, and notes which. */
export class OutgoingParcels implements Outgoing<Parcel> {
  readonly table = parcels;
  readonly kinds = kinds;
  readonly idName = 'parcelId';
  readonly sent: Parcel[] = [];
  ways?: (parcel: Parcel) => readonly Parcel[];
  reconsider?: (parcel: Parcel) => Promise<SendOutcome | undefined>;
  answer: (parcel: Parcel) => Promise<SendOutcome> | SendOutcome = ({ id }) => ({
    kind: 'accepted',
    sid: `P${id}`,
    status: 'queued',
    httpStatus: 201,
  });

  async decide(_tx: Transaction, items: readonly Parcel[], now: Date, worker: string): Promise<Decision<Parcel>[]> {
    return items.map((parcel) => {
      const number = parcel.attempt + 1;
      const item = { ...parcel, attempt: number, dueAt: null };
      return { item, attempt: newAttempt(parcel.id, number, worker, now, 30_000) };
    });
  }

  goBy({ item, attempt }: Decision<Parcel>, { city }: Parcel): Decision<Parcel> {
    return { item: { ...item, city }, attempt };
  }

  moveTo(parcel: Parcel, queue: string): Decision<Parcel> {
    return { item: parcel.queue === queue ? parcel : { ...parcel, queue }, attempt: null };
  }

  async save(tx: Transaction, decisions: readonly Decision<Parcel>[], along: readonly Write[]): Promise<void> {
    await update(
      tx,
      decisions.map(({ item }) => item),
    );
    await writeAll(tx, [attempts.opened(decisions.flatMap(({ attempt }) => attempt ?? [])), ...along]);
  }

  async send(parcel: Parcel): Promise<SendOutcome> {
    this.sent.push(parcel);
    return this.answer(parcel);
  }

  async settle(tx: Transaction, answers: readonly Answered<Parcel>[], now: Date): Promise<Settled<Parcel>[]> {
    const open = await attempts.lock(
      tx,
      answers.map(({ item }) => item.id),
    );
    const settled = open.flatMap(({ item, attempt }) => {
      const outcome = answers.find((answer) => answer.item.id === item.id)?.outcome;
      if (!outcome) return [];
      const again = outcome.kind === 'deferred';
      return {
        item: { ...item, done: outcome.kind === 'accepted', dueAt: again ? now : null },
        attempt: {
          ...attempt,
          state: outcome.kind,
          finishedAt: now.toISOString(),
          providerSid: outcome.kind === 'accepted' ? outcome.sid : null,
        },
        dueAgain: again,
      };
    });
    await update(
      tx,
      settled.map(({ item }) => item),
    );
    await writeAll(tx, [attempts.settled(settled.map(({ attempt }) => attempt))]);
    return settled;
  }
}

async function update(tx: Transaction, changed: readonly Parcel[]): Promise<void> {
  const rows = columns(changed, parcelColumns, ({ lane, dueAt, ...parcel }) => ({
    ...parcel,
    lane: laneNumber(lane),
    due_at: dueAt,
  }));
  await run(
    tx,
    `update parcels p set queue = n.queue, city = n.city, due_at = n.due_at, attempt = n.attempt, done = n.done
     from ${rows.as('n')} where p.id = n.id`,
    rows.parameters,
  );
}

export type ParcelDatabase = Awaited<ReturnType<typeof parcelDatabase>> & { readonly transact: Transact };
