import { describe, expect, it } from '@jest/globals';
import { defaultEmailDeliverability, emailDeliverability } from './email-deliverability.ts';

describe('thresholds of deliverability', () => {
  it('are those of the mailbox providers where nothing is said', () => {
    expect(defaultEmailDeliverability).toMatchObject({
      window: 'PT24H',
      minVolume: 500,
      complaints: { throttle: 0.001, stop: 0.003 },
      enforce: true,
    });
    expect(emailDeliverability.parse({ complaints: { stop: 0.002 } }).complaints).toEqual({
      throttle: 0.001,
      stop: 0.002,
    });
  });

  it.each([
    [
      'a threshold above the one that stops',
      { complaints: { throttle: 0.005 } },
      'complaints.throttle: must be below stop',
    ],
    ['a window that is no whole hours', { window: 'PT90M' }, 'window: must be whole hours, from PT1H to P7D'],
    ['a window longer than a week', { window: 'P8D' }, 'window: must be whole hours, from PT1H to P7D'],
    ['percent', { bounces: { stop: 5 } }, 'bounces.stop: Too big: expected number to be <=1'],
  ])('refuse %s', (_label, written, fault) => {
    const { error } = emailDeliverability.safeParse(written);
    expect((error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([fault]);
  });
});
