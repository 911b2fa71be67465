import { describe, expect, it } from '@jest/globals';
import { acceptance, after, command, message, now, tenant } from '../../test/builders.ts';
import { accept } from '../acceptance/accept.rules.ts';
import { move, unchanged } from '../message/message.ts';
import { takeFallback } from './fallback.rules.ts';

const voice = { channel: 'voice', after: 'PT60S' } as const;
const email = { channel: 'email', to: 'a@example.com' } as const;
const failure = { code: 30003, class: 'terminal', title: 'Unreachable', remedy: 'Try later' } as const;
const context = { id: message().id, now, tenant, digest: 'digest', traceparent: undefined, ...acceptance };

describe('fallback', () => {
  it.each([
    ['a step with a time is due that long after acceptance', [voice, email], {}, after(60_000).toISOString()],
    [
      '… after sendAt, when it is scheduled',
      [voice],
      { sendAt: after(1000).toISOString() },
      after(61_000).toISOString(),
    ],
    ['a step without a time waits for a failure', [email, voice], {}, null],
    ['no step, no time', [], {}, null],
  ])('%s', (_label, fallback, changes, expected) => {
    expect(accept(command({ fallback, ...changes }), context).message.fallbackAt).toBe(expected);
  });

  it.each([
    ['a failure calls for it at once', 'failed', failure, now.toISOString()],
    ['an undelivered message too', 'undelivered', failure, now.toISOString()],
    ['a delivered one does not', 'delivered', null, null],
    ['nobody who opted out is chased on another channel', 'failed', { ...failure, class: 'compliance' }, null],
  ] as const)('%s', (_label, state, error, expected) => {
    const waiting = message({ fallback: [voice], fallbackAt: after(60_000).toISOString() });
    expect(move(unchanged(waiting), state, now.toISOString(), { error }).message.fallbackAt).toBe(expected);
  });

  it('takes the steps one after the other, each with a key of its own', () => {
    const first = takeFallback(message({ fallback: [voice, email], fallbackAt: now.toISOString() }), now);
    expect(first.command).toMatchObject({
      channel: 'voice',
      data: { idempotencyKey: `${message().id}:fallback:1`, to: '+14155550199', say: 'Your order has shipped' },
    });
    expect(first.step.message).toMatchObject({ fallbackTaken: 1, fallbackAt: null });

    const second = takeFallback(first.step.message, now);
    expect(second.command).toMatchObject({
      channel: 'email',
      data: {
        idempotencyKey: `${message().id}:fallback:2`,
        to: 'a@example.com',
        subject: 'Your order has shipped',
        correlationId: message().id,
      },
    });
    expect(takeFallback(second.step.message, now).command).toBeNull();
  });

  it('starts the clock of a later step when the one before is taken', () => {
    const steps = [email, { ...voice, after: 'PT2M' }];
    expect(takeFallback(message({ fallback: steps }), now).step.message.fallbackAt).toBe(after(120_000).toISOString());
  });

  it('falls back from a rejected recipient too', () => {
    const rejected = accept(command({ to: 'banana', fallback: [email] }), context).message;
    expect(rejected).toMatchObject({ state: 'rejected', fallbackAt: now.toISOString() });
  });

  it('calls the number, not the WhatsApp address', () => {
    const of = message({ channel: 'whatsapp', to: 'whatsapp:+14155550199', fallback: [{ channel: 'sms' }] });
    expect(takeFallback(of, now).command).toMatchObject({ channel: 'sms', data: { to: '+14155550199' } });
  });

  it('keeps to the quiet hours of the time zone that the request gave', () => {
    const of = message({ timeZone: 'Europe/Berlin', fallback: [{ channel: 'whatsapp' }] });
    expect(takeFallback(of, now).command).toMatchObject({ channel: 'whatsapp', data: { timeZone: 'Europe/Berlin' } });
  });
});
