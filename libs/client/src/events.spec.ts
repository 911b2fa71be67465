import { describe, expect, it } from '@jest/globals';
import type { MessageEvent } from './client.ts';
import { headerStrings, RepeatFilter } from './events.ts';

const change = (messageId: string, sequence: number): MessageEvent => ({
  id: `${messageId}.${sequence}`,
  source: '//signalbox/messaging-svc',
  type: 'messaging.message.state-changed.v1',
  time: '2026-11-24T18:00:00.000Z',
  data: {
    tenant: 'demo',
    messageId,
    idempotencyKey: 'k',
    sequence,
    state: 'queued',
    previousState: 'accepted',
    at: '2026-11-24T18:00:00.000Z',
    to: '+14155550199',
    provider: 'twilio',
    providerSid: null,
    error: null,
    metadata: {},
  },
});

describe('RepeatFilter', () => {
  it('lets each sequence of a message through once, and never an older one', () => {
    const filter = new RepeatFilter();
    const handed = [1, 2, 2, 1, 3].filter((sequence) => {
      const fresh = filter.isNew(change('a', sequence));
      if (fresh) filter.remember(change('a', sequence));
      return fresh;
    });
    expect(handed).toEqual([1, 2, 3]);
  });

  it('keeps messages apart, and forgets the oldest beyond its capacity', () => {
    const filter = new RepeatFilter(2);
    for (const id of ['a', 'b', 'c']) filter.remember(change(id, 1));
    expect(filter.isNew(change('b', 1))).toBe(false);
    expect(filter.isNew(change('a', 1))).toBe(true);
  });
});

describe('headerStrings', () => {
  it('takes the last value of a repeated header and reads bytes as text', () => {
    expect(headerStrings({ ce_id: Buffer.from('1'), ce_type: ['old', Buffer.from('new')] })).toEqual({
      ce_id: '1',
      ce_type: 'new',
    });
  });
});
