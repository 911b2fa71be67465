import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sendEmailCommand, placeCallCommand } from '@signalbox/contracts';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { takeFallbacks } from './fallback.ts';

describe('taking fallbacks', () => {
  let database: MessagingDatabase;

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());

  it('publishes each step once, as commands their services accept, though two replicas look at once', async () => {
    await queueMessages(database, 50, () => ({
      fallback: [
        { channel: 'voice', after: 'PT60S' },
        { channel: 'email', to: 'a@example.com', after: 'PT60S' },
      ],
    }));
    await database.dataSource.query('truncate outbox');
    const take = (secondsLater: number) =>
      database.transact((tx) => takeFallbacks(tx, new Date(Date.now() + secondsLater * 1000)));
    expect(await take(30)).toBe(0);
    const first = await Promise.all([take(61), take(61), take(61)]);
    expect(first.reduce((sum, count) => sum + count)).toBe(50);
    await Promise.all([take(180), take(180)]);
    expect(await take(3600)).toBe(0);

    const rows =
      await database.dataSource.query<{ topic: string; key: string; value: string }[]>('select * from outbox');
    const values = (topic: string) =>
      rows.filter((row) => row.topic === topic).map(({ value }) => JSON.parse(value) as unknown);
    expect(values('commands.voice.v1').map((value) => placeCallCommand.safeParse(value).success)).toEqual(
      Array(50).fill(true),
    );
    expect(values('commands.email.v1').map((value) => sendEmailCommand.safeParse(value).success)).toEqual(
      Array(50).fill(true),
    );
    expect(rows.find(({ topic }) => topic === 'commands.email.v1')?.key).toBe('demo:a@example.com');
    const lines = await database.dataSource.query<unknown[]>(`select * from message_history where kind = 'fallback'`);
    expect(lines).toHaveLength(100);
  });
});
