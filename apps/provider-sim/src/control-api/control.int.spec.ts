import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type RunningSimulator, runSimulator } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;

beforeAll(async () => {
  simulator = await runSimulator();
});
afterAll(() => simulator.stop());
beforeEach(() => simulator.reset());

const send = (params: object = {}) =>
  simulator.client().messages.create({ to: '+14155550199', from: '+14155550100', body: 'hello', ...params });

it('lists what was accepted, oldest first, by recipient and up to a limit', async () => {
  const first = await send();
  const other = await send({ to: '+14156000001', body: 'other' });
  const second = await send();
  const sids = async (query: string) =>
    (await simulator.control<{ sid: string }[]>(`messages${query}`)).map(({ sid }) => sid);
  expect(await sids('')).toEqual([first.sid, other.sid, second.sid]);
  expect(await sids('?to=%2B14155550199')).toEqual([first.sid, second.sid]);
  expect(await sids('?to=%2B14155550777')).toEqual([]);
  expect(await sids('?limit=2')).toEqual([first.sid, other.sid]);
  expect(await sids('?limit=0')).toEqual([]);
  await expect(sids('?limit=many')).rejects.toThrow(/^400 /);
});

it('tells of each message what a check needs, and no secret of its callback URL', async () => {
  const { sid } = await send({ statusCallback: 'http://user:password@127.0.0.1:9/status?messageId=1#rc=0' });
  const [message] = await simulator.accepted();
  expect(message).toMatchObject({ sid, to: '+14155550199', from: '+14155550100', body: 'hello', errorCode: null });
  expect(Math.abs(Date.parse(message?.createdAt ?? '') - Date.now())).toBeLessThan(60_000);
  expect(message?.statusCallback).toBe('http://127.0.0.1:9/status?messageId=1#rc=0');
});

it('lists thousands as valid JSON, while more arrive', async () => {
  const body = new URLSearchParams({ To: '+14156000001', From: '+14155550100', Body: 'burst' }).toString();
  const headers = { authorization: simulator.authorization, 'content-type': 'application/x-www-form-urlencoded' };
  const post = async () =>
    expect((await fetch(simulator.messagesUrl, { method: 'POST', headers, body })).status).toBe(201);
  for (let i = 0; i < 50; i++) await Promise.all(Array.from({ length: 100 }, post));
  const [list] = await Promise.all([simulator.accepted(), ...Array.from({ length: 100 }, post)]);
  expect(list.length).toBeGreaterThanOrEqual(5_000);
  expect(new Set(list.map(({ sid }) => sid)).size).toBe(list.length);
  expect(await simulator.accepted()).toHaveLength(5_100);
});

it('reset forgets everything', async () => {
  const { sid } = await send();
  await simulator.control('inbound', { from: '+14155550199', to: '+14155550100', body: 'STOP' });
  await simulator.faults({ rates: { '500': 1 } });
  await simulator.reset();
  expect(await simulator.accepted()).toEqual([]);
  expect(await simulator.control('opt-outs')).toEqual([]);
  expect(await simulator.control('faults')).toMatchObject({ rates: {} });
  await expect(simulator.client().messages(sid).fetch()).rejects.toMatchObject({ code: 20404 });
  expect((await send()).status).toBe('queued');
});

it('answers the probes of every service', async () => {
  for (const path of ['healthz', 'readyz', 'metrics']) {
    expect((await fetch(`${simulator.url}/${path}`)).status).toBe(200);
  }
});
