import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import pg from 'pg';

describe('messaging-svc, stopped with SIGTERM while it sends', () => {
  let system: TestSystem;
  let db: pg.Client;

  beforeAll(async () => {
    system = await startSystem({ only: ['webhook-ingest', 'messaging-svc'] });
    db = new pg.Client({ connectionString: system.info.postgres['messaging'] });
    await db.connect();
    const faults = await fetch(`${system.info.simulator}/_sim/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ latencyMs: [150, 300] }),
    });
    expect(faults.ok).toBe(true);
  }, 120_000);
  afterAll(async () => {
    await db?.end();
    await system?.stop();
  }, 60_000);

  async function send(keys: readonly string[]): Promise<void> {
    const messages = keys.map((key, index) => ({
      idempotencyKey: key,
      to: `+1415555${String(1000 + index)}`,
      body: `Message ${key}`,
    }));
    const response = await fetch(`${system.info.services['messaging-svc']}/v1/messages/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.info.tokens.admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ messages }),
    });
    expect(response.status).toBe(202);
  }

  const bodiesSent = async () => {
    const response = await fetch(`${system.info.simulator}/_sim/messages`);
    return ((await response.json()) as { body: string }[]).map(({ body }) => body);
  };

  /** What became of the attempts of one process: `accepted`, `deferred stopped`, … */
  async function outcomesOf(pid: number): Promise<Set<string>> {
    const { rows } = await db.query<{ outcome: string }>(
      `select distinct concat_ws(' ', state, error ->> 'code') as outcome from attempts where split_part(worker, '/', 2) = $1`,
      [String(pid)],
    );
    return new Set(rows.map(({ outcome }) => outcome));
  }

  it.each([1, 2, 3])(
    'leaves nothing in doubt, and what it had claimed to the next (%i)',
    async (round) => {
      const keys = Array.from({ length: 400 }, (_, index) => `stop-${round}-${index}`);
      const before = (await bodiesSent()).length;
      await send(keys);
      await eventually(async () => expect((await bodiesSent()).length).toBeGreaterThan(before + 20), {
        timeout: 20_000,
      });
      const pid = system.info.pids['messaging-svc'] ?? 0;
      expect(await system.terminate('messaging-svc')).toEqual({ code: 0, signal: null });
      expect(await outcomesOf(pid)).toEqual(new Set(['accepted', 'deferred stopped']));

      await eventually(
        async () => {
          const { rows } = await db.query<{ state: string }>('select distinct state from messages');
          expect(rows).toEqual([{ state: 'delivered' }]);
        },
        { timeout: 60_000 },
      );
      const sent = (await bodiesSent()).filter((body) => body.startsWith(`Message stop-${round}-`));
      expect(sent.sort()).toEqual(keys.map((key) => `Message ${key}`).sort());
    },
    120_000,
  );
});
