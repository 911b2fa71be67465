/** `make bench [BENCH=ingest,…] [ROUNDS=5]`: measures, writes bench/results/ and docs/benchmarks.md. */
import { emailCampaignBench } from './email/campaign.bench.ts';
import { emailEventsBench } from './email/events.bench.ts';
import { ingestBench } from './ingest/ingest.bench.ts';
import { analyticsBench } from './messaging/analytics.bench.ts';
import { callbacksBench } from './messaging/callbacks.bench.ts';
import { commandsBench } from './messaging/commands.bench.ts';
import { dispatchBench } from './messaging/dispatch.bench.ts';
import { lanesBench } from './messaging/lanes.bench.ts';
import { latencyBench } from './messaging/latency.bench.ts';
import { volumeBench } from './messaging/volume.bench.ts';
import { publish, type Report } from './report.ts';
import { voiceBench } from './voice/voice.bench.ts';
import { verifyBench } from './verify/verify.bench.ts';

const suites: Readonly<Record<string, (rounds: number) => Promise<Report>>> = {
  ingest: ingestBench,
  'messaging-callbacks': callbacksBench,
  'messaging-commands': commandsBench,
  'messaging-dispatch': dispatchBench,
  'messaging-latency': latencyBench,
  'messaging-lanes': lanesBench,
  'messaging-volume': volumeBench,
  'messaging-analytics': analyticsBench,
  'email-events': emailEventsBench,
  'email-campaign': emailCampaignBench,
  verify: verifyBench,
  voice: voiceBench,
};

const wanted = process.env['BENCH']?.split(',') ?? Object.keys(suites);
const rounds = Number(process.env['ROUNDS'] ?? 5);
for (const name of wanted) {
  const suite = suites[name];
  if (!suite) throw new Error(`no suite is named ${name}; there are ${Object.keys(suites).join(', ')}`);
  console.log(`${name}, ${rounds} rounds`);
  await publish(await suite(rounds));
}
