import { describe, expect, it } from '@jest/globals';
import { acceptance, after, command, now, tenant } from '../../test/builders.ts';
import { accept } from './accept.rules.ts';

const context = {
  id: '019a0000-0000-7000-8000-000000000001',
  now,
  tenant,
  digest: 'digest',
  traceparent: undefined,
  ...acceptance,
};

const template = `HX${'0'.repeat(32)}`;

describe('accept', () => {
  it('queues a message: two moves, due at once, sent through the default messaging service', () => {
    const { message, changes, before } = accept(command(), context);
    expect(before).toBeNull();
    expect(changes.map(({ sequence, from, to }) => [sequence, from, to])).toEqual([
      [1, null, 'accepted'],
      [2, 'accepted', 'queued'],
    ]);
    expect(message).toMatchObject({
      state: 'queued',
      sequence: 2,
      dueAt: now.toISOString(),
      from: null,
      messagingServiceSid: 'MG00000000000000000000000000000001',
    });
  });

  it('holds a message until its sendAt, whatever offset it was written with', () => {
    const { message } = accept(command({ sendAt: '2026-11-24T20:00:00+01:00' }), context);
    expect(message).toMatchObject({ state: 'scheduled', dueAt: '2026-11-24T19:00:00.000Z' });
  });

  it('sends at once when sendAt has passed', () => {
    expect(accept(command({ sendAt: after(-1000).toISOString() }), context).message.state).toBe('queued');
  });

  it.each([
    ['spaces and brackets', '+1 (415) 555-0199', 'sms', '+14155550199'],
    ['a WhatsApp address', 'whatsapp:+14155550199', 'whatsapp', 'whatsapp:+14155550199'],
    ['a plain number on WhatsApp', '+14155550199', 'whatsapp', 'whatsapp:+14155550199'],
    ['a magic number of Twilio', '+15005550001', 'sms', '+15005550001'],
  ] as const)('normalises %s', (_label, to, channel, expected) => {
    const contentSid = channel === 'whatsapp' ? template : null;
    expect(accept(command({ to, channel, contentSid }), context).message).toMatchObject({
      to: expected,
      state: 'queued',
    });
  });

  it.each([
    ['no phone number', { to: 'banana' }, 'invalid_recipient'],
    ['a national number', { to: '4155550199' }, 'invalid_recipient'],
    ['a sender of somebody else', { from: '+14155559999' }, 'unknown_sender'],
    ['a messaging service nobody has', { messagingService: 'marketing' }, 'unknown_messaging_service'],
    ['a messaging service named like a property', { messagingService: 'constructor' }, 'unknown_messaging_service'],
    ['an expiry in the past', { expiresAt: after(-1).toISOString() }, 'expired'],
  ] as const)('rejects %s, and says so in one event', (_label, changes, code) => {
    const step = accept(command(changes), context);
    expect(step.changes).toEqual([
      { sequence: 1, from: null, to: 'rejected', at: now.toISOString(), error: step.message.error },
    ]);
    expect(step.message).toMatchObject({ state: 'rejected', dueAt: null, error: { code } });
  });

  it.each([
    ['text on WhatsApp to who has not written', { channel: 'whatsapp' }, 'whatsapp_window_closed'],
    ['media nobody can fetch', { mediaUrls: ['https://localhost/a.png'] }, 'media_not_reachable'],
    ['more segments than allowed', { body: 'ш'.repeat(71), maxSegments: 1 }, 'over_max_segments'],
    ['a price nobody knows', { maxPrice: '1' }, 'price_unknown'],
  ] as const)('rejects %s, and says why', (_label, changes, code) => {
    const { message } = accept(
      command({ ...changes, mediaUrls: 'mediaUrls' in changes ? [...changes.mediaUrls] : [] }),
      context,
    );
    expect(message).toMatchObject({ state: 'rejected', error: { code } });
  });

  it('rejects what carriers would block, because the sender is not registered', () => {
    const senderRecords = { '+14155550100': { type: 'long_code', registration: 'pending' } } as const;
    const { message } = accept(command({ from: '+14155550100' }), { ...context, tenant: { ...tenant, senderRecords } });
    expect(message).toMatchObject({ state: 'rejected', error: { code: 'sender_unregistered' } });
  });

  it.each([
    ['who wrote an hour ago', -3_600_000, '+14155550100', 'queued'],
    ['who wrote to another sender', -3_600_000, '+14155550111', 'rejected'],
    ['who wrote a day ago', -24 * 3_600_000, '+14155550100', 'rejected'],
  ])('answers freely on WhatsApp %s: %s', (_label, ago, ours, state) => {
    const lastInbound = [{ tenant: 'demo', person: 'whatsapp:+14155550199', ours: `whatsapp:${ours}`, at: after(ago) }];
    const request = command({ channel: 'whatsapp', from: '+14155550100' });
    expect(accept(request, { ...context, lastInbound }).message.state).toBe(state);
  });

  it('leaves the WhatsApp window of a later message to dispatch', () => {
    const request = command({ channel: 'whatsapp', sendAt: after(60_000).toISOString() });
    expect(accept(request, context).message.state).toBe('scheduled');
  });

  describe('in quiet hours', () => {
    // Ten in the morning in San Francisco.
    const quietHours = { from: '09:00', to: '11:00', exemptLanes: ['critical' as const], countries: {} };
    const quiet = { ...context, tenant: { ...tenant, quietHours } };
    const end = '2026-11-24T19:00:00.000Z';

    it('holds a message until they end, and its history says why', () => {
      const { message, changes, remarks } = accept(
        command({ fallback: [{ channel: 'voice', after: 'PT60S' }] }),
        quiet,
      );
      expect(message).toMatchObject({ state: 'queued', dueAt: end, fallbackAt: '2026-11-24T19:01:00.000Z' });
      expect(changes.map(({ to }) => to)).toEqual(['accepted', 'queued']);
      const detail = { reason: 'quiet_hours', until: end, zones: ['America/Los_Angeles'] };
      expect(remarks).toEqual([{ at: now.toISOString(), kind: 'held', detail }]);
    });

    it.each([
      ['holds it where the request says the recipient is', { timeZone: 'America/Denver' }, 'queued', now.toISOString()],
      ['does not hold an exempt lane', { lane: 'critical' }, 'queued', now.toISOString()],
      ['moves a sendAt inside them to their end', { sendAt: after(60_000).toISOString() }, 'scheduled', end],
      [
        'leaves a sendAt after them alone',
        { sendAt: after(7_200_000).toISOString() },
        'scheduled',
        after(7_200_000).toISOString(),
      ],
      ['rejects what would expire in them', { expiresAt: end }, 'rejected', null],
    ] as const)('%s', (_label, changes, state, dueAt) => {
      expect(accept(command(changes), quiet).message).toMatchObject({ state, dueAt });
    });
  });

  it('uses a sender of the tenant when one is named', () => {
    const { message } = accept(command({ from: '+1 415 555 0100' }), context);
    expect(message).toMatchObject({ from: '+14155550100', messagingServiceSid: null, state: 'queued' });
  });

  it('keeps the caller’s trace, and otherwise makes the message id the trace id', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(accept(command(), { ...context, traceparent }).message.traceparent).toBe(traceparent);
    expect(accept(command(), context).message.traceparent).toBe(
      '00-019a0000000070008000000000000001-8000000000000001-01',
    );
  });
});
