import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type RunningSimulator, runSimulator } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;

beforeAll(async () => {
  simulator = await runSimulator();
});
afterAll(() => simulator.stop());
afterEach(() => simulator.reset());

const message = { to: '+14155550199', from: '+14155550100', body: 'hello' };
const create = (timeoutMs = 5_000) => simulator.client({ timeoutMs }).messages.create(message);

it('429: Twilio’s 20429, nothing accepted, Retry-After when the plan has one', async () => {
  await simulator.faults({ rates: { '429': 1 } });
  await expect(create()).rejects.toMatchObject({ status: 429, code: 20429, retryAfterMs: null });
  await simulator.faults({ rates: { '429': 1 }, retryAfterSeconds: 2 });
  await expect(create()).rejects.toMatchObject({ status: 429, code: 20429, retryAfterMs: 2_000 });
  expect(await simulator.accepted()).toEqual([]);
});

it('500: at times a page and no JSON, nothing accepted', async () => {
  await simulator.faults({ rates: { '500': 1 }, seed: 5 });
  const codes = new Set<unknown>();
  for (let i = 0; i < 20; i++) {
    const error: unknown = await create().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'TwilioApiError', status: 500 });
    codes.add((error as { code: number | null }).code);
  }
  expect(codes).toEqual(new Set([20500, null]));
  expect(await simulator.accepted()).toEqual([]);
});

describe('an answer that never comes', () => {
  it('timeoutBefore: was not accepted', async () => {
    await simulator.faults({ rates: { timeoutBefore: 1 } });
    await expect(create(300)).rejects.toMatchObject({ outcome: 'in_doubt', code: 'TIMEOUT' });
    expect(await simulator.accepted()).toEqual([]);
  });

  it('timeoutAfter: was accepted, once, and goes its way', async () => {
    await simulator.faults({ rates: { timeoutAfter: 1 } });
    await expect(create(300)).rejects.toMatchObject({ outcome: 'in_doubt', code: 'TIMEOUT' });
    await eventually(async () => expect(await simulator.accepted(message.to)).toMatchObject([{ status: 'delivered' }]));
  });

  it('does not hold up the stop', async () => {
    const other = await runSimulator();
    await other.faults({ rates: { timeoutAfter: 1 } });
    const pending = other.client({ timeoutMs: 30_000 }).messages.create(message);
    const outcome = expect(pending).rejects.toMatchObject({ name: 'TwilioTransportError' });
    await eventually(async () => expect(await other.accepted()).toHaveLength(1));
    await other.stop();
    await outcome;
  });
});

it('a message is accepted although its sender went away while it waited', async () => {
  // With this seed it is accepted after a second.
  await simulator.faults({ latencyMs: [1500, 1500], seed: 6 });
  await expect(create(400)).rejects.toMatchObject({ outcome: 'in_doubt' });
  await eventually(async () => expect(await simulator.accepted()).toHaveLength(1));
});

it('errors below 30000 refuse the create with their status', async () => {
  await simulator.faults({ errors: [{ prefix: '+1415555', code: 20003, status: 401 }] });
  await expect(create()).rejects.toMatchObject({ status: 401, code: 20003 });
  expect(await simulator.accepted()).toEqual([]);
});

it('only the operations of the plan suffer', async () => {
  await simulator.faults({ rates: { '500': 1 }, operations: ['list'] });
  const { sid } = await create();
  const { messages } = simulator.client();
  expect((await messages(sid).fetch()).sid).toBe(sid);
  await expect(messages.list()).rejects.toMatchObject({ status: 500 });
});

it('{} clears the plan', async () => {
  await simulator.faults({ rates: { '500': 1 } });
  await simulator.faults({});
  expect((await create()).status).toBe('queued');
});

it('a plan that makes no sense is refused with every reason, and the old one stays', async () => {
  await simulator.faults({ rates: { '429': 1 } });
  const refused = simulator.faults({ rates: { '429': 3 }, latencyMs: [9, 1], retries: 1 });
  await expect(refused).rejects.toThrow(/^400 .*rates.*429/);
  await expect(refused).rejects.toThrow(/latencyMs/);
  await expect(refused).rejects.toThrow(/retries/);
  await expect(create()).rejects.toMatchObject({ status: 429 });
});

it('under all faults together the ledger holds each answered message once, and never one that was refused', async () => {
  await simulator.faults({
    latencyMs: [0, 20],
    rates: { '429': 0.1, '500': 0.1, timeoutBefore: 0.02, timeoutAfter: 0.05 },
    seed: 11,
  });
  const client = simulator.client({ timeoutMs: 1_000 });
  const outcomes = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const to = `+1415600${String(index).padStart(4, '0')}`;
      const outcome = await client.messages.create({ ...message, to }).then(
        ({ sid }) => ({ sid }),
        (error: { name: string }) => ({ refused: error.name === 'TwilioApiError' }),
      );
      return { to, ...outcome };
    }),
  );
  const accepted = Map.groupBy(await simulator.accepted(), ({ to }) => to);
  let inDoubt = 0;
  for (const { to, ...outcome } of outcomes) {
    const sids = (accepted.get(to) ?? []).map(({ sid }) => sid);
    if ('sid' in outcome) expect(sids).toEqual([outcome.sid]);
    else if (outcome.refused) expect(sids).toEqual([]);
    else inDoubt += sids.length;
  }
  expect(inDoubt).toBeGreaterThan(0);
});
