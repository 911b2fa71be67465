import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EmailState } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

/** How each kind of recipient ends, whom the simulator knows by the beginning of the address. */
const ends: Readonly<Record<string, EmailState>> = {
  delivered: 'delivered',
  deferred: 'delivered',
  'hard-bounce': 'bounced',
  'soft-bounce': 'bounced',
  blocked: 'bounced',
  'late-bounce': 'bounced',
  dropped: 'dropped',
  spam: 'complained',
  unsubscribe: 'delivered',
  'group-unsubscribe': 'delivered',
  open: 'delivered',
  'machine-open': 'delivered',
  click: 'delivered',
};
const kinds = Object.keys(ends);
const neverAgain = ['hard-bounce', 'late-bounce', 'spam', 'unsubscribe', 'dropped'];

const scale = Number(process.env['E2E_SCALE'] ?? 1);
const count = 3_000 * scale;
const patience = 120_000 * Math.max(1, scale / 4);

describe('emails, from the request to the last event', () => {
  let email: EmailSystem;
  beforeAll(async () => {
    email = await startEmailSystem({ env: { CREDENTIALS_PROBE_MS: '500' } });
    await email.control('sendgrid', { groups: [{ id: 1, name: 'News' }] });
  }, 120_000);
  beforeEach(() => email.control('faults', {}));
  afterAll(() => email?.stop(), 60_000);

  const kindOf = (index: number) => kinds[index % kinds.length] ?? 'delivered';
  const recipient = (index: number) => `${kindOf(index)}+${index}@mixed.example`;

  it(
    'reach the right end each, whatever happens to their events on the way',
    async () => {
      await email.control('faults', {
        callbacks: { duplicate: 0.3, reorder: 0.3, withoutArgs: 0.2, delayMs: [0, 60] },
        latencyMs: [5, 40],
        rates: { '429': 0.02 },
        operations: ['create'],
        seed: 11,
      });
      const requests = Array.from({ length: count }, (_, index) => ({
        idempotencyKey: `mixed-${index}`,
        to: recipient(index),
        templateData: {},
        text: `Hello, this is text ${index % 7}`,
        lane: index % 2 ? 'bulk' : 'transactional',
        ...(index % 2 && { unsubscribeGroup: 1 }),
      }));
      await email.publish(requests);
      await eventually(
        () => {
          const wrong = requests.filter((_request, index) => {
            return email.stateOf(`mixed-${index}`) !== ends[kindOf(index)];
          });
          expect(wrong.slice(0, 5).map(({ to, idempotencyKey }) => `${to}: ${email.stateOf(idempotencyKey)}`)).toEqual(
            [],
          );
        },
        { timeout: patience, interval: 250 },
      );
      // What comes late may not change an end.
      await email.eventsTaken();

      const accepted = await email.accepted();
      expect(accepted).toHaveLength(count);
      expect(new Set(accepted.map(({ to }) => to)).size).toBe(count);
      const { sends } = await email.control<{ sends: number }>('email-events');
      expect(sends).toBeLessThan(count / 5);

      for (const [index, { idempotencyKey }] of requests.entries()) {
        const told = email.moves.get(idempotencyKey) ?? [];
        expect(told.map(({ sequence }) => sequence)).toEqual(told.map((_move, at) => at + 1));
        expect(told.at(-1)?.state).toBe(ends[kindOf(index)]);
      }
    },
    patience + 30_000,
  );

  it('do not go to whom they may not', async () => {
    const before = (await email.accepted()).length;
    const again = neverAgain.map((kind) => ({
      idempotencyKey: `again-${kind}`,
      to: recipient(kinds.indexOf(kind)),
      lane: 'critical',
    }));
    await email.publish(again);
    await eventually(() =>
      expect(again.map(({ idempotencyKey }) => email.stateOf(idempotencyKey))).toEqual(again.map(() => 'rejected')),
    );
    expect(await email.accepted()).toHaveLength(before);
    const left = recipient(kinds.indexOf('group-unsubscribe') + kinds.length);
    await email.publish([
      { idempotencyKey: 'group-bulk', to: left, lane: 'bulk', unsubscribeGroup: 1 },
      { idempotencyKey: 'group-receipt', to: left, lane: 'transactional' },
    ]);
    await eventually(() =>
      expect([email.stateOf('group-bulk'), email.stateOf('group-receipt')]).toEqual(['rejected', 'delivered']),
    );
  }, 60_000);

  it('are held while the key is revoked, and lost to nobody', async () => {
    await email.control('sendgrid', { revoked: true });
    const requests = Array.from({ length: 300 }, (_, index) => ({
      idempotencyKey: `held-${index}`,
      to: `delivered+held-${index}@held.example`,
    }));
    await email.publish(requests);
    await eventually(async () => {
      const { emails } = await email.api<{ emails: { emailId: string }[] }>('/v1/emails?idempotencyKey=held-0');
      const story = await email.api<{ waiting: { reason: string } | null }>(`/v1/emails/${emails[0]?.emailId}`);
      expect(story.waiting?.reason).toBe('credentials_refused');
    });
    const accepted = async () => (await email.accepted()).filter(({ to }) => to.endsWith('@held.example'));
    expect(await accepted()).toEqual([]);
    await email.control('sendgrid', { revoked: false });
    await eventually(
      () => expect(requests.filter(({ idempotencyKey }) => email.stateOf(idempotencyKey) !== 'delivered')).toEqual([]),
      { timeout: 60_000 },
    );
    expect((await accepted()).map(({ to }) => to).sort()).toEqual(requests.map(({ to }) => to).sort());
  }, 90_000);

  it('go through new IP addresses as far as their warm-up allows, and through the old ones beyond', async () => {
    interface Plan {
      readonly pool: string;
      readonly day: number;
      readonly cap: number;
      readonly used: number;
      readonly perProvider: { provider: string; cap: number; used: number }[];
      readonly overflowed: number;
    }
    const plan = async () => {
      const { pools } = await email.api<{ pools: Plan[] }>('/v1/warmup');
      return pools.find(({ pool }) => pool === 'fresh');
    };
    // The first day, also where midnight has passed since the system was started.
    await email.api('/v1/warmup/fresh', { day: 1 }, 'PUT');
    const requests = Array.from({ length: 200 }, (_, index) => ({
      idempotencyKey: `news-${index}`,
      to: `delivered+news-${index}@${index % 2 ? 'gmail.com' : 'warm.example'}`,
      from: 'News <hello@news.demo.example>',
      lane: index % 20 === 3 ? 'critical' : 'bulk',
    }));
    await email.publish(requests);
    await eventually(
      () => expect(requests.filter(({ idempotencyKey }) => email.stateOf(idempotencyKey) !== 'delivered')).toEqual([]),
      { timeout: 60_000 },
    );
    const wanted = new Set(requests.map(({ to }) => to));
    const sent = (await email.accepted()).filter(({ to }) => wanted.has(to));
    const through = (pool: string) => sent.filter((one) => one.pool === pool).map(({ to }) => to);
    const fresh = through('fresh');
    const told = await plan();
    expect(told).toMatchObject({ day: 1, cap: 10, used: fresh.length, perProvider: [{ provider: 'gmail', cap: 3 }] });
    expect(fresh).toHaveLength(10);
    expect(fresh.filter((to) => to.endsWith('@gmail.com')).length).toBeLessThanOrEqual(3);
    expect(through('main')).toHaveLength(190);
    // Codes neither take of the plan nor count as what did not fit.
    const codes = requests.filter(({ lane }) => lane === 'critical').map(({ to }) => to);
    expect(fresh.filter((to) => codes.includes(to))).toEqual([]);
    expect(told?.overflowed).toBe(190 - codes.length);
  }, 90_000);

  it("keep both lists alike: SendGrid's bounces are ours, and what is lifted here is lifted there", async () => {
    const to = recipient(kinds.indexOf('hard-bounce'));
    const drift = await email.api<{ onlyAtSendgrid: { recipients: number } }>('/v1/suppressions/drift');
    expect(drift.onlyAtSendgrid.recipients).toBe(0);
    await email.api(`/v1/suppressions/${encodeURIComponent(to)}`, undefined, 'DELETE');
    await email.control('faults', { emails: [{ recipient: to, outcome: 'delivered' }] });
    await eventually(async () =>
      expect(await email.api<{ untold: number }>('/v1/suppressions/drift')).toMatchObject({ untold: 0 }),
    );
    await email.publish([{ idempotencyKey: 'lifted', to }]);
    await eventually(() => expect(email.stateOf('lifted')).toBe('delivered'));
  }, 60_000);
});
