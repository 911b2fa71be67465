import { describe, expect, it } from '@jest/globals';
import { describeFailure } from '@signalbox/twilio';
import { message, now } from '../../test/builders.ts';
import { move, type Step, unchanged } from './message.ts';
import { countMoves } from './count.rules.ts';

const at = now.toISOString();
const with30003 = { providerSid: 'SM1', error: describeFailure(30003) };
const moved = (step: Step, ...states: Parameters<typeof move>[1][]) =>
  states.reduce((last, state) => move(last, state, at, { providerSid: 'SM1' }), step);

describe('countMoves', () => {
  it.each([
    [
      'delivered after all receipts',
      moved(unchanged(message()), 'submitted', 'sent', 'delivered'),
      ['handed_over', 'delivered'],
    ],
    ['a receipt that overtakes the answer', moved(unchanged(message()), 'delivered'), ['handed_over', 'delivered']],
    ['read without a receipt of delivery', moved(unchanged(message({ state: 'sent' })), 'read'), ['delivered']],
    ['read after delivery', moved(unchanged(message({ state: 'delivered' })), 'read'), []],
    ['refused by the API', move(unchanged(message()), 'failed', at, { error: describeFailure(21211) }), ['failed']],
    ['undelivered', move(unchanged(message({ state: 'sent' })), 'undelivered', at, with30003), ['failed']],
    ['canceled in the queue', move(unchanged(message({ state: 'queued' })), 'canceled', at), ['canceled']],
    ['nothing', unchanged(message()), []],
  ])('%s', (_label, step, expected) => {
    expect(countMoves([step]).map(({ outcome }) => outcome)).toEqual(expected);
  });

  it('adds alike ones up, by hour, sender, leading digits and code', () => {
    const fails = (to: string) => move(unchanged(message({ to, state: 'sent' })), 'undelivered', at, with30003);
    expect(countMoves([fails('+14155550199'), fails('whatsapp:+14155550100'), fails('banana')])).toEqual([
      {
        hour: '2026-11-24T18:00:00.000Z',
        tenant: 'demo',
        sender: 'MG00000000000000000000000000000001',
        digits: '+1415555',
        code: '30003',
        outcome: 'failed',
        count: 2,
      },
      expect.objectContaining({ digits: '', count: 1 }),
    ]);
  });
});
