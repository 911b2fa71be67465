import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventOf, examples, topics } from '@signalbox/contracts';
import { Batch } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import fc from 'fast-check';
import pg from 'pg';
import { tenant } from '../../test/builders.ts';
import { acceptCalls, type VoiceDatabase, voiceDatabase } from '../../test/database.ts';
import type { VoiceConfig } from '../config.ts';
import { deletionsOverdue } from '../metrics.ts';
import { ProgressHandler } from '../progress/progress.handler.ts';
import { RecordingKeeper } from '../recordings/keeper.ts';
import { StepStore } from '../session/step-store.ts';
import { erase } from './erase.ts';
import { ErasureController } from './erasure.controller.ts';
import { Retention } from './retention.ts';

type Callback = EventOf<typeof topics.twilioCallCallbacks>;

const now = new Date();
const hour = 3_600_000;
const after = (hours: number) => new Date(now.getTime() + hours * hour);
const daysAgo = (days: number) => after(-24 * days);
const logger = createLogger('spec', { level: 'silent' });
const config = {
  RETENTION_POLL_MS: 60_000,
  RECORDINGS_POLL_MS: 60_000,
  PRICE_POLL_MS: 60_000,
  CALLBACK_OVERDUE_MS: 60_000,
  ATTEMPT_LEASE_MS: 60_000,
  PROVIDER_TIMEOUT_MS: 30_000,
} as unknown as VoiceConfig;

let database: VoiceDatabase;
let provider: Server;
let asked: string[] = [];
let directory: TenantDirectory;
let retention: Retention;
let keeper: RecordingKeeper;
let progress: ProgressHandler;
let pool: pg.Pool;
let sessions: StepStore;

beforeAll(async () => {
  database = await voiceDatabase();
  // It deletes what it is told to delete, and has it no more.
  provider = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${/RE[0-9a-f]{32}/.exec(request.url ?? '')?.[0] ?? ''}`);
    if (request.method === 'DELETE') response.writeHead(204).end();
    else
      response
        .writeHead(404, { 'content-type': 'application/json' })
        .end('{"code": 20404, "message": "", "status": 404}');
  }).listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const baseUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  const demo: Tenant = { ...tenant, twilio: { ...tenant.twilio, baseUrl } };
  const brief: Tenant = { ...demo, name: 'brief', retention: { bodies: 'P1D', messages: 'P2D' } };
  directory = {
    byName: (name: string) => [demo, brief].find((one) => one.name === name),
  } as TenantDirectory;
  retention = new Retention(database.transact, directory, config, logger);
  keeper = new RecordingKeeper(database.transact, directory, config, logger);
  progress = new ProgressHandler(directory, config);
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  sessions = new StepStore({ pool, patienceMs: 10_000, pauseMs: 10, onUrgent: () => undefined });
});
afterAll(async () => {
  await pool.end();
  await database.close();
  provider.closeAllConnections();
  provider.close();
});
const emptied = `calls, attempts, call_facts, conferences, conference_participants, recordings, recording_accesses, flow_sessions,
  voice_events_seen, outbox, retention_marks, retention_deferred, erasures, erased_calls`;
beforeEach(async () => {
  asked = [];
  await query(`truncate ${emptied} cascade`);
});

const query = <Row>(sql: string, parameters: unknown[] = []) => database.dataSource.query<Row[]>(sql, parameters);
const count = async (table: string, where = 'true') =>
  Number((await query<{ count: string }>(`select count(*) from ${table} where ${where}`))[0]?.count);
const sid = (kind: string) => `${kind}${randomBytes(16).toString('hex')}`;

async function passAll(at: Date, limit: number): Promise<number> {
  for (let passes = 1; ; passes++) if (!(await retention.pass(at, limit))) return passes;
}

/** Calls that began so long ago, in a state, with an attempt and a line of history more. */
async function aged(number: number, days: number, state: string, name = 'demo'): Promise<string[]> {
  const ids = (await acceptCalls(database, number, { tenant: name })).map(({ id }) => id);
  await query(
    `update calls set created_at = $2, state = $3, due_at = null,
       check_at = case when $3 in ('submitted', 'ringing') then now() end where id = any($1)`,
    [ids, daysAgo(days), state],
  );
  await query(
    `insert into attempts (call_id, number, state, started_at, lease_until, worker)
     select id, 1, 'accepted', now(), now(), 'spec' from unnest($1::uuid[]) as n (id)`,
    [ids],
  );
  return ids;
}

async function record(changes: {
  tenant?: string;
  days?: number;
  deleteAt?: Date | null;
  proven?: boolean;
}): Promise<string> {
  const recordingSid = sid('RE');
  await query(
    `insert into recordings (tenant, recording_sid, call_sid, state, sequence, created_at, updated_at, delete_at, proven_at)
     values ($1, $2, $3, 'completed', 1, $4, $4, $5, $6)`,
    [
      changes.tenant ?? 'demo',
      recordingSid,
      sid('CA'),
      daysAgo(changes.days ?? 1),
      changes.deleteAt ?? null,
      changes.proven ? now : null,
    ],
  );
  return recordingSid;
}

describe('retention', () => {
  it('takes the text out of every call past its time and of no other, and waits for those that have not ended', async () => {
    await aged(25, 31, 'completed');
    await aged(5, 29, 'completed');
    const [ringing] = await aged(1, 31, 'ringing');
    const [silent] = await aged(1, 31, 'ringing');
    await query('update calls set check_at = null where id = $1', [silent]);
    expect(await passAll(now, 10)).toBe(3);
    expect(await count('calls', `redacted_at is not null and request ->> 'say' is null`)).toBe(26);
    expect(await count('calls', `redacted_at is null and request ->> 'say' is not null`)).toBe(6);
    await query(`update calls set state = 'completed' where id = $1`, [ringing]);
    await passAll(now, 10);
    expect(await count('calls', 'redacted_at is not null')).toBe(27);
    expect(await count('retention_deferred')).toBe(0);
  });

  it('deletes calls with all that hangs on them, also of a tenant that left the file, each tenant after its time', async () => {
    await aged(25, 401, 'no-answer');
    await aged(5, 401, 'completed', 'gone');
    await aged(2, 401, 'ringing');
    await aged(4, 399, 'completed');
    await aged(3, 3, 'completed', 'brief');
    await passAll(now, 10);
    expect(await count('calls')).toBe(6);
    expect(await count('attempts')).toBe(6);
    expect(await count('call_history', 'call_id not in (select id from calls)')).toBe(0);
    expect(await count('call_history')).toBeGreaterThan(0);
  });

  it('deletes accounts that are closed, conferences, and recordings that are proven to be gone', async () => {
    const facts = `insert into call_facts (tenant, call_sid, direction, sender, recipient, created_at, ask_at) values ('demo', $1, 'inbound', '', '', $2, $3)`;
    await query(facts, [sid('CA'), daysAgo(401), null]);
    await query(facts, [sid('CA'), daysAgo(401), now]);
    await query(facts, [sid('CA'), daysAgo(399), null]);
    const room = `insert into conferences (tenant, conference_sid, name, updated_at) values ('demo', $1, 'room', $2)`;
    const old = sid('CF');
    await query(room, [old, daysAgo(401)]);
    await query(`insert into conference_participants values ('demo', $1, $2, now(), now(), false, false, 1)`, [
      old,
      sid('CA'),
    ]);
    await query(room, [sid('CF'), daysAgo(399)]);
    const gone = await record({ days: 401, proven: true });
    await query(`insert into recording_accesses (tenant, recording_sid, by, at) values ('demo', $1, 'spec', now())`, [
      gone,
    ]);
    const kept = [await record({ days: 401 }), await record({ days: 399, proven: true })];
    await passAll(now, 10);
    expect(await count('call_facts', 'ask_at is not null')).toBe(1);
    expect(await count('call_facts')).toBe(2);
    expect([await count('conferences'), await count('conference_participants')]).toEqual([1, 0]);
    expect(
      (await query<{ recording_sid: string }>('select recording_sid from recordings'))
        .map((row) => row.recording_sid)
        .sort(),
    ).toEqual(kept.sort());
    expect(await count('recording_accesses')).toBe(0);
  });

  it('does no more in a batch than it may, and the same once when two replicas do it', async () => {
    await aged(40, 401, 'completed');
    expect(await retention.pass(now, 10)).toBe(true);
    expect(await count('calls')).toBe(30);
    const other = new Retention(database.transact, directory, config, logger);
    await Promise.all([
      passAll(now, 10),
      (async () => {
        while (await other.pass(now, 10));
      })(),
    ]);
    await passAll(now, 10);
    expect(await count('calls')).toBe(0);
  });
});

describe('recordings whose time is over', () => {
  const pause = async (recordingSid: string) =>
    (
      await query<{ minutes: number }>(
        `select round(extract(epoch from deletion_try_at - now()) / 60)::int as minutes from recordings where recording_sid = $1`,
        [recordingSid],
      )
    )[0]?.minutes;

  it('are deleted though a tenant has left with many of its own, which are put off ever longer and told of', async () => {
    const gone: string[] = [];
    for (let i = 0; i < 45; i++) gone.push(await record({ tenant: 'gone', deleteAt: daysAgo(9) }));
    const demo = await record({ deleteAt: daysAgo(1) });
    const brief = await record({ tenant: 'brief', deleteAt: daysAgo(1) });
    const young = await record({ deleteAt: after(1) });
    await keeper.pass(new Date());
    expect(asked.sort()).toEqual([`DELETE ${demo}`, `GET ${demo}`, `DELETE ${brief}`, `GET ${brief}`].sort());
    expect(await count('recordings', `state = 'deleted' and proof_status = 404`)).toBe(2);
    await keeper.pass(new Date());
    await keeper.pass(new Date());
    // Each has had its turn, and none a second one.
    expect(await count('recordings', `tenant = 'gone' and deletion_asks = 1`)).toBe(45);
    const { values } = await deletionsOverdue.get();
    expect(values).toMatchObject([{ labels: { tenant: 'gone' }, value: 45 }]);
    const [one = ''] = gone;
    const pauses: (number | undefined)[] = [await pause(one)];
    for (let tries = 0; tries < 3; tries++) {
      await query(`update recordings set deletion_try_at = now() - interval '1 second' where recording_sid = $1`, [
        one,
      ]);
      await keeper.pass(new Date());
      pauses.push(await pause(one));
    }
    expect(pauses).toEqual([1, 2, 4, 8]);
    // When it was to go stays what it was.
    const [row] = await query<{ delete_at: Date }>('select delete_at from recordings where recording_sid = $1', [one]);
    expect(row?.delete_at).toEqual(daysAgo(9));
    expect(await count('recordings', `recording_sid = '${young}' and deletion_asks = 0`)).toBe(1);
  });
});

const callback = (type: Callback['type'], data: object): Callback => {
  const id = randomUUID();
  const time = new Date().toISOString();
  const whole = { ...examples[type], correlationId: null, receivedAt: time, providerTime: time, ...data };
  return { id, source: '//spec', type, time, data: whole } as Callback;
};

async function tell(...events: Callback[]): Promise<void> {
  const batch = new Batch(
    events.map((event, index) => {
      return {
        event,
        key: 'CA',
        topic: topics.twilioCallCallbacks.name,
        partition: 0,
        offset: String(index),
        attempt: 1,
      };
    }),
  );
  await database.transact((tx) => progress.applyCallbacks(batch as never, tx));
}

describe('an erasure', () => {
  const person = '+14155550177';
  const other = '+14155550188';
  const ours = '+14155550100';
  const request = { tenant: 'demo', recipient: person, requestedBy: 'spec' };

  const statusOf = (
    callSid: string,
    status: string,
    params: Record<string, string>,
    correlationId: string | null = null,
  ) =>
    callback('twilio.call.status.v1', {
      tenant: 'demo',
      correlationId,
      resourceSid: callSid,
      status,
      params: { CallSid: callSid, CallStatus: status, ...params },
    });
  const recordingOf = (callSid: string, recordingSid: string, conferenceSid?: string) =>
    callback('twilio.recording.status.v1', {
      tenant: 'demo',
      resourceSid: recordingSid,
      callSid,
      status: 'completed',
      params: { RecordingSid: recordingSid, ...(conferenceSid && { ConferenceSid: conferenceSid }) },
    });
  const conferenceOf = (conferenceSid: string, callSid: string, name: string) =>
    callback('twilio.call.status.v1', {
      tenant: 'demo',
      resourceSid: callSid,
      status: 'participant-join',
      sequence: 1,
      params: {
        ConferenceSid: conferenceSid,
        FriendlyName: name,
        StatusCallbackEvent: 'participant-join',
        CallSid: callSid,
      },
    });
  const transcriptionOf = (callSid: string, said: string) =>
    callback('twilio.transcription.event.v1', {
      tenant: 'demo',
      resourceSid: sid('TR'),
      callSid,
      status: 'completed',
      params: { TranscriptionText: said },
    });

  async function speak(callSid: string, step: number, said: string): Promise<void> {
    const state = {
      node: 'ask',
      step,
      attempts: 0,
      variables: { said },
      consented: true,
      counts: {},
      ended: false,
      marked: 0,
    };
    const head = {
      callSid,
      tenant: 'demo',
      callId: null,
      flow: 'support',
      version: 1,
      state,
      at: new Date().toISOString(),
    };
    const document = `<Response><Say>You said ${said}</Say></Response>`;
    await sessions.take({
      ...head,
      digest: Buffer.from('digest'),
      document,
      queue: null,
      conference: null,
      events: [],
    });
  }

  /** Every column of every table, in one text. */
  async function everything(): Promise<string> {
    const tables = await query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
    );
    const rows = await Promise.all(
      tables.map(({ name }) => query<{ row: string }>(`select t::text as row from "${name}" t`)),
    );
    return rows
      .flat()
      .map(({ row }) => row)
      .join('\n');
  }

  /** The provider is asked to call. */
  async function begin(id: string | null): Promise<void> {
    await query(
      `update calls set state = 'submitting', sequence = 2, round = 1, attempt = 1, due_at = null where id = $1`,
      [id],
    );
    await query(
      `insert into attempts (call_id, number, state, started_at, lease_until, worker)
       values ($1, 1, 'calling', now(), now() + interval '1 hour', 'spec')`,
      [id],
    );
  }

  interface Story {
    readonly kind: 'placed' | 'inbound' | 'leg';
    /** How far it had come when the erasure was asked for. */
    readonly reached: 'accepted' | 'submitting' | 'ringing' | 'completed';
    readonly speaks: boolean;
    readonly recorded: 'no' | 'before' | 'after' | 'in a conference';
    readonly roomName: 'number' | 'plain';
  }

  /** Plays a call up to the erasure; returns what is still told of it afterwards. */
  async function play(story: Story, who: string, said: string): Promise<() => Promise<void>> {
    const callSid = sid('CA');
    const parent = sid('CA');
    const late: (() => Promise<void>)[] = [];
    let params: Record<string, string> = { From: ours, To: who, Direction: 'outbound-api' };
    let id: string | null = null;
    if (story.kind === 'placed') {
      const [call] = await acceptCalls(database, 1, { to: who, say: said, metadata: { said, who } });
      id = call?.id ?? null;
      if (story.reached === 'accepted') return () => Promise.resolve();
      await begin(id);
    }
    if (story.kind === 'inbound') params = { From: who, To: ours, Direction: 'inbound' };
    if (story.kind === 'leg') {
      params = { From: other, To: who, Direction: 'outbound-dial', ParentCallSid: parent };
      await tell(statusOf(parent, 'in-progress', { From: other, To: ours, Direction: 'inbound' }));
    }
    const begun = story.kind !== 'placed' || story.reached !== 'submitting';
    if (begun) await tell(statusOf(callSid, 'ringing', params, id));
    if (story.speaks && story.kind !== 'leg') {
      if (begun) await speak(callSid, 1, said);
      late.push(() => speak(callSid, 2, `${said} and more`));
    }
    const recordingSid = sid('RE');
    // A dialled leg is heard in the recording of the call that dialled it.
    const heardIn = story.kind === 'leg' ? parent : callSid;
    if (story.recorded === 'before') await tell(recordingOf(heardIn, recordingSid));
    if (story.recorded === 'after') late.push(() => tell(recordingOf(heardIn, recordingSid)));
    if (story.recorded === 'in a conference') {
      const conferenceSid = sid('CF');
      await tell(conferenceOf(conferenceSid, callSid, story.roomName === 'number' ? `call-${who.slice(1)}` : 'room'));
      await tell(recordingOf(sid('CA'), recordingSid, conferenceSid));
    }
    const completed = () =>
      tell(statusOf(callSid, 'completed', { ...params, CallDuration: '7' }, id), transcriptionOf(callSid, said));
    if (story.reached === 'completed') await completed();
    else late.unshift(completed);
    return async () => {
      for (const one of late) await one();
    };
  }

  const story = fc.record<Story>({
    kind: fc.constantFrom('placed', 'inbound', 'leg'),
    reached: fc.constantFrom('accepted', 'submitting', 'ringing', 'completed'),
    speaks: fc.boolean(),
    recorded: fc.constantFrom('no', 'before', 'after', 'in a conference'),
    roomName: fc.constantFrom('number', 'plain'),
  });

  it('leaves the number and what was said in no table, whatever is told before and after it, and others alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(story, { minLength: 1, maxLength: 6 }), async (stories) => {
        await query(`truncate ${emptied} cascade`);
        const secret = 'my dog is called Rex';
        const plain: Story = {
          kind: 'placed',
          reached: 'completed',
          speaks: true,
          recorded: 'before',
          roomName: 'plain',
        };
        const endings = [await play(plain, other, 'words of another person')];
        for (const one of stories) endings.push(await play(one, person, secret));
        await erase(database.transact, request, now);
        for (const end of endings) await end();
        // What is told is published within moments, and the provider asked.
        for (const hours of [0.2, 1, 5, 20, 80]) {
          await passAll(after(hours), 100);
          await keeper.pass(after(hours));
          await query('truncate outbox');
        }
        const left = await everything();
        expect(left).not.toContain(person.slice(1));
        expect(left).not.toContain('Rex');
        expect(left).toContain(other);
        expect(left).toContain('words of another person');
        expect(await count('erased_calls')).toBe(0);
        const recorded = stories.filter(({ kind, reached, recorded: when }) => {
          return when !== 'no' && !(kind === 'placed' && reached === 'accepted');
        });
        expect(await count('recordings', `proof_status = 404 and call_sid is null and conference_sid is null`)).toBe(
          recorded.length,
        );
        expect(await count('recordings', 'proven_at is null')).toBe(1);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('cancels what waits, is on record without the number, and finds nothing the second time', async () => {
    await acceptCalls(database, 700, { to: person });
    await acceptCalls(database, 2, { to: other });
    await acceptCalls(database, 1, { to: person, tenant: 'brief' });
    const inbound = sid('CA');
    await tell(statusOf(inbound, 'completed', { From: person, To: ours, Direction: 'inbound' }));
    await tell(recordingOf(inbound, sid('RE')));
    const done = await erase(database.transact, request, now);
    expect(done).toMatchObject({ calls: 700, deferred: 0, otherCalls: 1, recordings: 1 });
    expect(await count('calls', `state = 'canceled' and recipient = 'erased:${done.erasureId}'`)).toBe(700);
    expect(await count('calls', `state = 'accepted'`)).toBe(3);
    expect(await count('call_facts', `sender = 'erased:${done.erasureId}' and recipient = '${ours}'`)).toBe(1);
    expect(await erase(database.transact, request, now)).toMatchObject({
      calls: 0,
      deferred: 0,
      otherCalls: 0,
      recordings: 0,
    });
    expect(await query('select recipient, requested_by, calls, other_calls from erasures order by id')).toEqual([
      { recipient: '+1415•••177', requested_by: 'spec', calls: 700, other_calls: 1 },
      { recipient: '+1415•••177', requested_by: 'spec', calls: 0, other_calls: 0 },
    ]);
  });

  it('has a person called no more who asks for it while their telephone rings', async () => {
    const retry = { on: ['busy'] as 'busy'[], attempts: 3, delaySeconds: 1 };
    const [call] = await acceptCalls(database, 1, { to: person, retry });
    const callSid = sid('CA');
    const params = { From: ours, To: person, Direction: 'outbound-api' };
    await begin(call?.id ?? null);
    await tell(statusOf(callSid, 'ringing', params, call?.id));
    expect(await erase(database.transact, request, now)).toMatchObject({ calls: 0, deferred: 1 });
    await tell(statusOf(callSid, 'busy', params, call?.id));
    expect(await count('calls', `state = 'busy' and due_at is null`)).toBe(1);
    await passAll(after(1), 100);
    expect(await count('calls', `recipient like 'erased:%'`)).toBe(1);
  });

  it('is refused for a number of the tenant, which every call has', async () => {
    const controller = new ErasureController(database.transact, logger);
    const numbers = { '+14155550111': 'main' };
    const own = { ...tenant, senders: [ours], voice: { ...tenant.voice, numbers } } as unknown as Tenant;
    for (const recipient of [ours, '+1 415 555 0111'])
      await expect(controller.erase(own, { recipient }, {})).rejects.toMatchObject({ title: 'Own number' });
    expect(await count('erasures')).toBe(0);
    await controller.erase(own, { recipient: person }, {});
    expect(await count('erasures')).toBe(1);
  });

  it('takes out at once whose a recording was that is gone already', async () => {
    const inbound = sid('CA');
    await tell(statusOf(inbound, 'completed', { From: person, To: ours, Direction: 'inbound' }));
    await tell(recordingOf(inbound, sid('RE')));
    await query(
      `update recordings set state = 'deleted', deleted_at = now(), proven_at = now(), proof_status = 404, delete_at = now()`,
    );
    expect(await erase(database.transact, request, now)).toMatchObject({ otherCalls: 1, recordings: 0 });
    expect(await count('recordings', 'call_sid is null and source is null and proof_status = 404')).toBe(1);
  });

  it('says of a recording whose it was until the provider is proven to have it no more', async () => {
    const inbound = sid('CA');
    const recordingSid = sid('RE');
    await tell(statusOf(inbound, 'completed', { From: person, To: ours, Direction: 'inbound' }));
    await tell(recordingOf(inbound, recordingSid));
    await erase(database.transact, request, now);
    expect(await count('recordings', `call_sid = '${inbound}' and proven_at is null and delete_at <= now()`)).toBe(1);
    await query('truncate outbox');
    await keeper.pass(new Date());
    expect(asked).toEqual([`DELETE ${recordingSid}`, `GET ${recordingSid}`]);
    expect(await count('recordings', `call_sid is null and state = 'deleted' and proof_status = 404`)).toBe(1);
    // Who keeps it by its call is told in the same place.
    expect(await query('select key from outbox')).toEqual([{ key: inbound }]);
  });
});
