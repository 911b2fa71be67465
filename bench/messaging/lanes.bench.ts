import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { clear, messagingServiceSid, seed, settleDown } from './messages.ts';
import { startPlatform } from './platform.ts';
import { startSystem } from './system.ts';

const campaign = 100_000;
const load = { rate: 40, seconds: 6, lane: 'critical' };
const sender = `sender:${messagingServiceSid}`;
const senderRate = 100;

/** Codes while a campaign waits. */
export async function lanesBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using system = await startSystem(platform);
    const { database } = system;
    await system.warmUp();

    const quota = (rate: number | null) =>
      database.query(
        `insert into quotas (tenant, scope, rate, updated_at) values ('demo', $1, $2, now())
         on conflict (tenant, scope) do update set rate = $2`,
        [sender, rate],
      );
    const p95 = async () => (await system.sendLatencies(load)).p95;
    const alone = (rate: number | null) => async () => {
      await quota(rate);
      await quiet();
      return p95();
    };
    const withCampaign = (rate: number | null) => async () => {
      await quota(rate);
      await quiet();
      await seed(database, { count: campaign, state: 'queued', lane: 'bulk', queue: rate === null ? '' : sender });
      await database.query('analyze messages');
      return p95();
    };
    const [held, heldAlone, full, fullAlone] = (await takeTurns(rounds, {
      'p95 behind the quota, ms': withCampaign(senderRate),
      'p95 alone under the quota, ms': alone(senderRate),
      'p95 at full speed, ms': withCampaign(null),
      'p95 alone, ms': alone(null),
    })) as [Series, Series, Series, Series];

    return {
      suite: 'messaging-lanes',
      method: `All services; p95 of ${load.rate} \`critical\` commands a second for ${load.seconds} s, from the command until the provider has the request, with ${campaign.toLocaleString('en')} \`bulk\` messages due; ${rounds} rounds in turn. Once they wait for the quota of the sender that both share (${senderRate}/s), once nothing but the processor holds them up.`,
      lines: [
        {
          what: 'critical p95, the campaign waits for its quota',
          unit: 'ms',
          value: summarise(held.values),
          against: `empty queue (${summarise(heldAlone.values).median.toFixed(0)} ms)`,
          ratio: ratio(held, heldAlone),
          target: '≤ 1.5',
        },
        {
          what: 'critical p95, the campaign at full speed',
          unit: 'ms',
          value: summarise(full.values),
          against: `empty queue (${summarise(fullAlone.values).median.toFixed(0)} ms)`,
          ratio: ratio(full, fullAlone),
        },
      ],
    };

    /** Ends the campaign, and waits until what was under way is over. */
    async function quiet(): Promise<void> {
      await database.query(`update messages set due_at = null, state = 'canceled' where due_at is not null`);
      for (;;) {
        const [row] = await database.query(`select count(*)::int as n from messages where state = 'submitting'`);
        if (row?.['n'] === 0) break;
        await sleep(100);
      }
      await clear(database);
      await settleDown(database);
    }
  } finally {
    await platform.stop();
  }
}
