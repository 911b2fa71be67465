import { describe, expect, it } from '@jest/globals';
import { after, command, now, tenant } from '../../test/builders.ts';
import { accept } from './accept.rules.ts';

const context = {
  id: '019a0000-0000-7000-8000-000000000001',
  now,
  tenant,
  digest: 'digest',
  traceparent: undefined,
};

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
    expect(accept(command({ to, channel }), context).message).toMatchObject({ to: expected, state: 'queued' });
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
