import { describe, expect, it } from '@jest/globals';
import { decode, toHeaders, topics } from '@signalbox/contracts';
import { normaliseEvent, type SendgridEventRecord } from './event.ts';
import { eventCases } from './fixtures/events.ts';

const context = { tenant: 'demo', receivedAt: '2026-11-24T18:00:00.123Z' };

function recordOf(raw: unknown, where = context): SendgridEventRecord {
  const normalised = normaliseEvent(raw, where);
  if (!normalised.ok) throw new Error(normalised.why);
  return normalised.record;
}

describe('normaliseEvent', () => {
  it.each(eventCases)('$label', ({ raw, key, providerTime, errorCode }) => {
    const record = recordOf(raw);
    const decoded = decode(topics.sendgridEventCallbacks, toHeaders(record.event), JSON.stringify(record.event.data));
    expect(decoded).toMatchObject({ ok: true });
    expect(record.key).toBe(key);
    expect(record.event.data).toEqual({
      tenant: 'demo',
      resourceSid: raw['sg_message_id'] ?? '',
      correlationId: key === raw['sb_message_id'] ? key : null,
      status: raw['event'],
      providerTime,
      receivedAt: context.receivedAt,
      errorCode,
      eventId: raw['sg_event_id'] ?? null,
      email: raw['email'] ?? '',
      params: raw,
    });
  });

  it('takes an event about the account, which has neither address nor message id', () => {
    const record = recordOf({ event: 'account_status_change', type: 'compliance_suspend', timestamp: 1709142428 });
    expect(record).toMatchObject({ key: record.event.id, event: { data: { email: '', resourceSid: '' } } });
  });

  const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
  it.each([
    ['null', null, 'not_an_object'],
    ['text', 'delivered', 'not_an_object'],
    ['a list', [{ event: 'delivered' }], 'not_an_object'],
    ['nothing in it', {}, 'no_event'],
    ['custom arguments alone', { userid: '1123' }, 'no_event'],
    ['an event that is a number', { event: 7, email: 'a@example.com', timestamp: 1 }, 'no_event'],
    ['no address', { event: 'delivered', timestamp: 1513299569 }, 'no_email'],
    ['no time', { event: 'delivered', email: 'a@example.com' }, 'bad_timestamp'],
    ['a time in words', { event: 'delivered', email: 'a@example.com', timestamp: 'now' }, 'bad_timestamp'],
    ['a time before time', { event: 'delivered', email: 'a@example.com', timestamp: -1 }, 'bad_timestamp'],
    ['a time no calendar has', { event: 'delivered', email: 'a@example.com', timestamp: 1e20 }, 'bad_timestamp'],
    ['17 levels', { event: 'x', deep: nested(16) }, 'too_deep'],
  ])('%s: a fault', (_label, raw, why) => {
    expect(normaliseEvent(raw, context)).toEqual({ ok: false, why });
  });
});

describe('ce_id', () => {
  const event = {
    event: 'click',
    email: 'a@example.com',
    sg_message_id: 'x.1',
    sg_event_id: 'first',
    timestamp: 1513299569,
    url: 'https://example.com',
    url_offset: { index: 0, type: 'html' },
    useragent: 'Mozilla',
    ip: '192.0.2.1',
  };
  const idOf = (raw: unknown, where = context) => recordOf(raw, where).event.id;

  it('is the same when SendGrid sends an event again, even under another sg_event_id', () => {
    const later = { ...context, receivedAt: '2026-11-25T18:00:00.123Z' };
    expect(idOf({ ...event, sg_event_id: 'second' }, later)).toBe(idOf(event));
  });

  it('does not depend on the order of the fields', () => {
    expect(idOf(Object.fromEntries(Object.entries(event).reverse()))).toBe(idOf(event));
  });

  it.each([
    ['recipient', { email: 'b@example.com' }],
    ['message', { sg_message_id: 'x.2' }],
    ['message of ours', { sb_message_id: '1' }],
    ['kind', { event: 'open' }],
    ['second', { timestamp: 1513299570 }],
    ['link', { url: 'https://example.org' }],
    ['place of the link', { url_offset: { index: 1, type: 'html' } }],
    ['person', { ip: '192.0.2.2' }],
    ['program', { useragent: 'Other' }],
    ['attempt', { attempt: '2' }],
    ['type of bounce', { type: 'blocked' }],
    ['group', { asm_group_id: 2 }],
  ])('is another for another %s', (_label, change) => {
    expect(idOf({ ...event, ...change })).not.toBe(idOf(event));
  });

  it('is another for another tenant', () => {
    expect(idOf(event, { ...context, tenant: 'other' })).not.toBe(idOf(event));
  });

  it('does not name the recipient', () => {
    expect(idOf(event)).toMatch(/^[\w-]{43}$/);
  });
});
