import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it } from '@jest/globals';
import { createLogger } from '@signalbox/telemetry';
import { newBlock } from './block.ts';
import { reportBlocks } from './block.report.ts';

const block = newBlock(
  { tenant: 'demo', prefix: '+99450120', level: 'block', signs: [], started: 24, approved: 0, usualShare: 0 },
  new Date('2026-11-24T18:00:00.000Z'),
  60_000,
);

it('logs the prefix of a block, and no number that was blocked by hand', async () => {
  const destination = new PassThrough();
  const log = createLogger('spec', { level: 'info', destination });
  reportBlocks(log, [block, { ...block, level: 'manual', prefix: '+14155550199' }]);
  destination.end();
  const lines = await text(destination);
  expect(lines).toContain('"prefix":"99450120"');
  expect(lines).not.toContain('5550199');
});
