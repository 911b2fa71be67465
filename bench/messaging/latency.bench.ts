import type { Report } from '../report.ts';
import { summarise, takeTurns } from '../rounds.ts';
import { type Latencies, startSystem } from './system.ts';
import { startPlatform } from './platform.ts';

const load = { rate: 200, seconds: 8, lane: 'transactional' };

/** From the command to the provider, through everything. */
export async function latencyBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using system = await startSystem(platform);
    await system.warmUp();
    const measured: Latencies[] = [];
    await takeTurns(rounds, {
      'p95, ms': async () => {
        const latencies = await system.sendLatencies(load);
        measured.push(latencies);
        return latencies.p95;
      },
    });
    return {
      suite: 'messaging-latency',
      method: `All services, ${load.rate} commands a second for ${load.seconds} s, ${rounds} times; from publishing the command until the provider has the request, callbacks and events going on meanwhile. Services, broker and database have had the same traffic for 60 s before.`,
      lines: [
        { what: 'p50', unit: 'ms', value: summarise(measured.map(({ p50 }) => p50)) },
        { what: 'p95', unit: 'ms', value: summarise(measured.map(({ p95 }) => p95)), target: '< 100 ms' },
      ],
    };
  } finally {
    await platform.stop();
  }
}
