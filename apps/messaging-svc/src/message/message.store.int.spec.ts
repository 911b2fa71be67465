import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { type Message, note, unchanged } from './message.ts';
import { lock, lockUnheard, save } from './message.store.ts';

const now = new Date();
const at = (ms: number) => new Date(now.getTime() + ms).toISOString();

describe('messages the provider is silent about', () => {
  let database: MessagingDatabase;
  let messages: Message[];

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query('truncate messages, attempts, message_history, message_checks, outbox cascade');
    messages = await queueMessages(database, 3);
  });

  const remind = (checkAt: string | null, ...ids: string[]) =>
    database.transact(async (tx) => {
      const locked = [...(await lock(tx, ids)).values()];
      await save(
        tx,
        locked.map((message) => note(unchanged(message), now.toISOString(), { checkAt })),
      );
    });
  const unheard = async (limit = 10) => {
    const { messages, more } = await database.transact((tx) => lockUnheard(tx, now, limit));
    return { ids: messages.map(({ id }) => id), more };
  };
  const reminders = async () =>
    (await database.dataSource.query<{ message_id: string }[]>('select message_id from message_checks')).map(
      ({ message_id }) => message_id,
    );
  const ids = () => messages.map(({ id }) => id);

  it('are found when they are due, each once, as many as are asked for', async () => {
    const [first = '', second = '', third = ''] = ids();
    await remind(at(-2_000), first, second);
    await remind(at(-1_000), third);
    expect((await unheard(2)).ids).toEqual([first, second]);
    expect(await reminders()).toEqual([third]);
    expect((await unheard()).ids).toEqual([third]);
    expect(await unheard()).toEqual({ ids: [], more: false });
  });

  it('are not those that have been heard of, whose reminders go', async () => {
    const [ended = '', later = '', due = ''] = ids();
    await remind(at(-2_000), ended, later, due);
    await remind(null, ended);
    await remind(at(60_000), later);
    expect((await unheard()).ids).toEqual([due]);
    expect(await reminders()).toEqual([later]);
    expect((await unheard()).ids).toEqual([]);
    expect(await reminders()).toEqual([later]);
  });

  it('are left to the replica that has them', async () => {
    await remind(at(-1_000), ...ids());
    const { promise: looked, resolve } = Promise.withResolvers<void>();
    const { promise: go, resolve: end } = Promise.withResolvers<void>();
    const one = database.transact(async (tx) => {
      const { messages } = await lockUnheard(tx, now, 10);
      resolve();
      await go;
      return messages.length;
    });
    await looked;
    expect((await unheard()).ids).toEqual([]);
    end();
    expect(await one).toBe(3);
  });
});
