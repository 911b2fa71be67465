import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { QuietHours, Tenant, TenantDirectory } from '@signalbox/tenants';
import type { Dispatcher } from '@signalbox/outbound';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import { DateTime } from 'luxon';
import { v7 as uuidv7 } from 'uuid';
import { acceptorConfig, command, noQuotas, silent, tenant, testConfig } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase } from '../../test/database.ts';
import { Acceptor } from '../acceptance/acceptor.ts';
import { cancelAll } from '../acceptance/cancel.ts';
import type { MessageProvider } from '../dispatch/provider.ts';
import { findStory } from '../http/message.queries.ts';
import { messageDispatcher } from '../dispatch/dispatcher.ts';
import type { Message } from '../message/message.ts';

const config = testConfig();

const zone = 'America/Los_Angeles';
const local = (hours: number) => DateTime.now().setZone(zone).plus({ hours });
/** Quiet from one hour to another, counted from now, wherever that is. */
const quietFrom = (from: number, to: number): QuietHours => ({
  from: local(from).toFormat('HH:mm'),
  to: local(to).toFormat('HH:mm'),
  exemptLanes: ['critical'],
  countries: {},
});

/** The next time it is so late there. */
const next = (time: string) => {
  const today = DateTime.fromFormat(time, 'HH:mm', { zone });
  return (today < DateTime.now() ? today.plus({ days: 1 }) : today).toUTC().toISO();
};

describe('what is due and may not go', () => {
  let database: MessagingDatabase;
  let dispatcher: Dispatcher<Message>;
  let current: Tenant;
  let sent: string[];

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query(
      'truncate messages, attempts, message_history, message_checks, outbox, inbound_messages cascade',
    );
    current = tenant;
    sent = [];
    const provider = {
      send: async ({ id }: Message) => {
        sent.push(id);
        return { kind: 'accepted', sid: `SM${id.replaceAll('-', '')}`, status: 'queued', httpStatus: 201 } as const;
      },
    } as unknown as MessageProvider;
    const logger = createLogger('spec', { level: 'silent' });
    dispatcher = messageDispatcher(database.transact, provider, noQuotas, directory, config, logger);
  });
  afterEach(() => dispatcher.stop());

  const directory = { byName: () => current } as unknown as TenantDirectory;
  const acceptor = new Acceptor(directory, noQuotas, null, acceptorConfig, silent);

  async function accept(changes: Parameters<typeof command>[0] = {}): Promise<{ messageId: string; state: string }> {
    const request = command({ idempotencyKey: uuidv7(), timeZone: zone, ...changes });
    const [accepted] = await database.transact((tx) =>
      acceptor.accept(tx, [{ command: request, traceparent: undefined }]),
    );
    if (!accepted || accepted.result === 'full') throw new Error('not taken');
    return accepted;
  }

  const story = async (id: string) => {
    const found = await findStory(database.dataSource, 'demo', id, { quotas: new Map(), hold: null });
    if (!found) throw new Error('no story');
    return found;
  };
  const makeDue = () => database.dataSource.query(`update messages set due_at = now() where due_at is not null`);

  async function inbound(hoursAgo: number, ours = 'whatsapp:+14155550100', tenantName = 'demo'): Promise<void> {
    await database.dataSource.query(
      `insert into inbound_messages (id, tenant, provider_sid, channel, sender, recipient, media, received_at)
       values ($1, $2, $3, 'whatsapp', 'whatsapp:+14155550199', $4, '[]', now() - $5 * interval '1 hour')`,
      [uuidv7(), tenantName, `SM${uuidv7()}`, ours, hoursAgo],
    );
  }

  it('waits when dispatch finds it in quiet hours, but for an exempt lane, and its story says why', async () => {
    const waiting = await accept();
    const urgent = await accept({ lane: 'critical' });
    // Quiet hours that begin between acceptance and dispatch are as a delay that pushes a message into them.
    const quietHours = quietFrom(-1, 2);
    current = { ...tenant, quietHours };
    dispatcher.start();
    await eventually(async () => expect((await story(urgent.messageId)).state).toBe('submitted'));
    await eventually(async () => expect((await story(waiting.messageId)).history.at(-1)?.kind).toBe('held'));
    expect(sent).toEqual([urgent.messageId]);
    const held = await story(waiting.messageId);
    const until = next(quietHours.to);
    expect(held).toMatchObject({ state: 'queued', nextAttemptAt: until, attempts: [] });
    expect(held.waiting).toMatchObject({ reason: 'quiet_hours', until });
    expect(held.history.at(-1)?.summary).toBe(`held until ${until}: quiet hours`);

    const [canceled] = await database.transact((tx) =>
      cancelAll(tx, [{ tenant: 'demo', messageId: waiting.messageId }], new Date()),
    );
    expect(canceled?.kind).toBe('canceled');
    expect((await story(waiting.messageId)).nextAttemptAt).toBeNull();
  });

  it('is not begun when the call could still be made after quiet hours have begun', async () => {
    const { messageId } = await accept();
    // They begin with the next minute; a call may be made for as long as its lease lasts.
    const soon = DateTime.now()
      .setZone(zone)
      .plus({ seconds: config.ATTEMPT_LEASE_MS / 1000 });
    current = { ...tenant, quietHours: { ...quietFrom(0, 2), from: soon.toFormat('HH:mm') } };
    dispatcher.start();
    await eventually(async () => expect((await story(messageId)).history.at(-1)?.kind).toBe('held'));
    expect(sent).toEqual([]);
  });

  it('goes when they have ended', async () => {
    const quietHours = quietFrom(-1, 2);
    current = { ...tenant, quietHours };
    const { messageId } = await accept();
    expect((await story(messageId)).nextAttemptAt).toBe(next(quietHours.to));
    current = { ...tenant, quietHours: quietFrom(-3, -1) };
    await makeDue();
    dispatcher.start();
    await eventually(async () => expect((await story(messageId)).state).toBe('submitted'));
  });

  it('expires at once when it would expire in quiet hours', async () => {
    const { messageId } = await accept({ expiresAt: local(1).toUTC().toISO() ?? '' });
    current = { ...tenant, quietHours: quietFrom(-1, 2) };
    dispatcher.start();
    await eventually(async () => expect((await story(messageId)).state).toBe('expired'));
    expect((await story(messageId)).error?.code).toBe('expires_in_quiet_hours');
    expect(sent).toEqual([]);
  });

  it.each([
    ['from the sender they wrote to', { from: '+14155550100' }, [[1]], 'queued'],
    ['from the messaging service', {}, [[1, 'whatsapp:+14155550111']], 'queued'],
    ['from another sender', { from: '+14155550100' }, [[1, 'whatsapp:+14155550111']], 'rejected'],
    ['who wrote a day ago', {}, [[24]], 'rejected'],
    ['who wrote to another tenant', {}, [[1, 'whatsapp:+14155550100', 'other']], 'rejected'],
    ['who never wrote, with a template', { contentSid: `HX${'0'.repeat(32)}` }, [], 'queued'],
  ] as const)('may be free text on WhatsApp to one %s: %s', async (_label, changes, wrote, state) => {
    for (const one of wrote) await inbound(...(one as unknown as [number, string?, string?]));
    const accepted = await accept({ channel: 'whatsapp', ...changes });
    expect(accepted.state).toBe(state);
    const { error } = await story(accepted.messageId);
    expect(error?.code).toBe(state === 'rejected' ? 'whatsapp_window_closed' : undefined);
  });

  it('is looked at again when a WhatsApp message was scheduled', async () => {
    const sendAt = local(1).toUTC().toISO() ?? '';
    const tooLate = await accept({ channel: 'whatsapp', sendAt });
    const template = await accept({ channel: 'whatsapp', sendAt, body: null, contentSid: `HX${'0'.repeat(32)}` });
    await makeDue();
    dispatcher.start();
    await eventually(async () => expect((await story(template.messageId)).state).toBe('submitted'));
    await eventually(async () => expect((await story(tooLate.messageId)).state).toBe('rejected'));

    const inTime = await accept({ channel: 'whatsapp', sendAt });
    await inbound(1);
    await makeDue();
    dispatcher.nudge();
    await eventually(async () => expect((await story(inTime.messageId)).state).toBe('submitted'));
    expect(sent).toEqual([template.messageId, inTime.messageId]);
  });

  it('keeps what is known of it in its story', async () => {
    const consent = { id: 'opt-in-7', source: 'checkout', at: '2026-11-01T10:00:00.000Z' };
    const { messageId } = await accept({ consent });
    expect(await story(messageId)).toMatchObject({
      consent,
      timeZone: zone,
      estimate: { encoding: 'GSM-7', segments: 1, price: null },
    });
  });
});
