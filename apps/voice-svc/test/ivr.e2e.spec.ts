import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type FlowProgressed, topics } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel } from 'kafkajs';

interface Call {
  readonly sid: string;
  readonly status: string;
  readonly errors: { code: number; url: string | null; detail: string }[];
  readonly transcript: { heard?: string; event?: string }[];
  readonly documents: { url: string; status: number; duplicate: boolean; body: string }[];
}

type Step = { press: string } | { say: string } | { silence: true } | { wait: number } | { hangup: true };

/** Callers of the simulator on the built service, with the flows of the demo. */
describe('calls that come in', () => {
  let system: TestSystem;
  let consumer: Consumer;
  const events: FlowProgressed[] = [];

  beforeAll(async () => {
    system = await startSystem({ only: ['voice-svc'] });
    consumer = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING }).consumer({
      groupId: 'e2e-ivr',
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [topics.voiceEvents.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        if (String(message.headers?.['ce_type']) !== 'voice.flow.progressed.v1') return;
        events.push(JSON.parse(String(message.value)) as FlowProgressed);
      },
    });
  }, 120_000);

  afterEach(() => simulate('faults', {}));
  afterAll(async () => {
    await consumer?.disconnect();
    await system?.stop();
  });

  async function simulate<Result>(what: string, body: object): Promise<Result> {
    const response = await fetch(`${system.info.simulator}/_sim/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`/_sim/${what} answers ${response.status}: ${text}`);
    return (text ? JSON.parse(text) : undefined) as Result;
  }

  const callIn = (script: readonly Step[], from = '+14155550199') =>
    simulate<{ sid: string }>('inbound', { kind: 'call', from, to: '+14155550100', script });

  async function calls(): Promise<Map<string, Call>> {
    const all = (await (await fetch(`${system.info.simulator}/_sim/calls`)).json()) as Call[];
    return new Map(all.map((call) => [call.sid, call]));
  }

  async function callOf(sid: string): Promise<Call> {
    const call = (await calls()).get(sid);
    if (!call) throw new Error(`no call ${sid}`);
    return call;
  }

  const heardIn = ({ transcript }: Call) => transcript.flatMap(({ heard }) => heard ?? []);
  const hitsIn = ({ transcript }: Call) => transcript.map(({ heard, event }) => heard ?? event ?? '').join('\n');
  const markedIn = (sid: string) =>
    events.filter(({ callSid }) => callSid === sid).map(({ kind, sequence }) => `${sequence} ${kind}`);
  const ended = async (sid: string) =>
    eventually(
      async () => {
        const call = await callOf(sid);
        expect(call.status).toBe('completed');
        return call;
      },
      { timeout: 90_000 },
    );

  async function placeCall(flow: string, to: string): Promise<void> {
    const response = await fetch(`${system.info.services['voice-svc']}/v1/calls`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${system.info.tokens.send}` },
      body: JSON.stringify({ idempotencyKey: `agent-${to}`, to, from: '+14155550100', flow }),
    });
    expect([response.status, await response.text()]).toEqual([202, expect.any(String)]);
  }

  it('go through three menus into a queue and to an agent, with a repeated and a late request at each step', async () => {
    await simulate('faults', { callbacks: { duplicate: 1, reorder: 1 } });
    const { sid } = await callIn([{ press: '2' }, { press: '1' }, { press: '1' }, { wait: 600 }]);
    await eventually(async () => expect(hitsIn(await callOf(sid))).toContain('waits in queue support'));
    await placeCall('agent', '+14155550150');
    const call = await ended(sid);
    expect(call.errors).toEqual([]);
    expect(heardIn(call)).toEqual(
      expect.arrayContaining([
        'Welcome to Acme.',
        expect.stringMatching(/^For the kettle/),
        expect.stringMatching(/^May we record/),
        'Someone will be with you shortly.',
        'You are connected now.',
      ]),
    );
    expect(call.documents.some(({ duplicate }) => duplicate)).toBe(true);
    // Whenever a request for a step comes, the answer is the one document.
    const documents = new Map<string, Set<string>>();
    for (const { url, body } of call.documents)
      if (!url.includes('/wait')) documents.set(url, (documents.get(url) ?? new Set()).add(body));
    expect([...documents.values()].map((bodies) => bodies.size)).toEqual([...documents].map(() => 1));
    await eventually(() =>
      expect(markedIn(sid)).toEqual(['1 started', '2 consented', '3 queued', '4 dequeued', '5 ended']),
    );
  });

  it('do not notice that the service is killed between their steps', async () => {
    // The last try is near the 15 s a caller has: a process starts slowly beside other tests.
    await simulate('faults', { calls: { speed: 2, retryMs: 450 } });
    // So slow that each caller is at another step when it happens.
    const sids = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const pause = { wait: 1 + (i % 4) };
        return (
          await callIn([{ press: '2' }, pause, { press: '1' }, pause, { press: '2' }, { wait: 2 }, { hangup: true }])
        ).sid;
      }),
    );
    for (let kill = 0; kill < 2; kill++) {
      await eventually(async () => {
        const now = await calls();
        const fetched = sids.map((sid) => now.get(sid)?.documents.length ?? 0);
        expect(Math.max(...fetched)).toBeGreaterThan(kill);
      });
      await system.kill('voice-svc');
      await eventually(async () =>
        expect((await fetch(`${system.info.services['voice-svc']}/readyz`)).status).toBe(200),
      );
    }
    for (const sid of sids) {
      const call = await ended(sid);
      expect([call.errors, hitsIn(call)]).toEqual([[], expect.stringContaining('waits in queue support')]);
      expect(hitsIn(call)).not.toMatch(/technical problem|application error/);
    }
  }, 120_000);

  it('a thousand at once, and none hears an error', async () => {
    await simulate('faults', { callbacks: { duplicate: 0.1, reorder: 0.1 } });
    const sids: string[] = [];
    await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => {
        const script: Step[] =
          i % 2
            ? [{ press: '1' }, { press: '1' }, { press: '123456' }]
            : [{ press: '2' }, { press: '1' }, { press: '2' }, { hangup: true }];
        sids.push((await callIn(script, `+1415555${String(1000 + i)}`)).sid);
      }),
    );
    await eventually(
      async () => {
        const now = await calls();
        expect(sids.filter((sid) => now.get(sid)?.status !== 'completed')).toEqual([]);
      },
      { timeout: 90_000 },
    );
    const all = await calls();
    const wrong = sids.flatMap((sid) => {
      const call = all.get(sid);
      const heard = call ? hitsIn(call) : '';
      const fine = call?.errors.length === 0 && !/technical problem|application error/.test(heard);
      return fine && /waits in queue support|We have sent you a text/.test(heard)
        ? []
        : [{ sid, heard, errors: call?.errors }];
    });
    expect(wrong).toEqual([]);
  }, 120_000);
});
