import { describe, expect, it } from '@jest/globals';
import { type BatchElement, type EventBatch, parseEventBatch } from './event-batch.ts';
import { bounced } from './fixtures/signatures.ts';

const context = { tenant: 'demo', receivedAt: '2026-11-24T18:00:00.123Z' };
const good = (email = 'a@example.com') => `{"event":"open","email":"${email}","timestamp":1513299569}`;
const parse = (body: string | Buffer) => parseEventBatch(Buffer.from(body), context);

function elementsOf(batch: EventBatch): readonly BatchElement[] {
  if (!batch.ok) throw new Error(batch.why);
  return batch.elements;
}
const outline = (batch: EventBatch) =>
  elementsOf(batch).map((element) =>
    element.ok ? element.record.event.data.email : { why: element.why, json: element.json },
  );

describe('parseEventBatch', () => {
  it('reads a batch as SendGrid posted it', () => {
    expect(elementsOf(parse(bounced.body))).toMatchObject([
      { ok: true, record: { event: { data: { status: 'processed', providerTime: '2021-04-28T23:05:46.000Z' } } } },
      { ok: true, record: { event: { data: { status: 'bounce', errorCode: 552, params: { type: 'blocked' } } } } },
    ]);
  });

  it.each([
    ['empty', '[]', []],
    ['a byte order mark and white space', `\ufeff\r\n [${good()}] \r\n`, ['a@example.com']],
    ['an element that is no event', `[${good('1')},{},${good('2')}]`, ['1', { why: 'no_event', json: '{}' }, '2']],
    [
      'elements that are no objects',
      `[null, "x]" ,[1,2],${good()}]`,
      [
        { why: 'not_an_object', json: 'null' },
        { why: 'not_an_object', json: '"x]"' },
        { why: 'not_an_object', json: '[1,2]' },
        'a@example.com',
      ],
    ],
    [
      'an element that is not JSON',
      `[${good('1')},{"event":},${good('2')}]`,
      ['1', { why: 'not_json', json: '{"event":}' }, '2'],
    ],
    ['a comma too many', `[${good('1')},]`, ['1', { why: 'not_json', json: '' }]],
    [
      'quotes, brackets and escapes in text',
      `[{"a":"]}\\",["},${good()}]`,
      [{ why: 'no_event', json: '{"a":"]}\\",["}' }, 'a@example.com'],
    ],
  ])('%s', (_label, body, expected) => {
    expect(outline(parse(body))).toEqual(expected);
  });

  it('keeps what a mail server wrote in an unknown charset', () => {
    const body = Buffer.concat([
      Buffer.from('[{"event":"bounce","email":"a@example.com","timestamp":1,"reason":"caf'),
      Buffer.of(0xe9),
      Buffer.from('"}]'),
    ]);
    expect(elementsOf(parse(body))).toMatchObject([
      { record: { event: { data: { params: { reason: 'caf\ufffd' } } } } },
    ]);
  });

  it.each([
    ['nothing', '', 'not_json'],
    ['text', 'hello', 'not_json'],
    ['an object', good(), 'not_an_array'],
    ['a number', '7', 'not_an_array'],
    ['a batch that breaks off', `[${good()},{"event":"op`, 'not_json'],
    ['a batch that breaks off in an escape', '["\\', 'not_json'],
    ['two batches', `[${good()}][${good()}]`, 'not_json'],
    ['brackets that do not match', '[{]', 'not_json'],
    ['20,001 elements', `[${'0,'.repeat(20_000)}0]`, 'too_many_events'],
    ['20,002 elements, the last not JSON', `[${'0,'.repeat(20_001)}x]`, 'too_many_events'],
  ])('%s: a fault of the whole', (_label, body, why) => {
    expect(parse(body)).toEqual({ ok: false, why });
  });

  it('takes 5,000 events of which one is malformed', () => {
    const events = Array.from({ length: 5000 }, (_, index) => good(`${index}@example.com`));
    events[2500] = '{"event":}';
    const elements = elementsOf(parse(`[${events.join(',\r\n')}]\r\n`));
    expect(elements.filter((element) => element.ok)).toHaveLength(4999);
    expect(elements[2500]).toEqual({ ok: false, why: 'not_json', json: '{"event":}' });
  });

  it('survives JSON as deep as a body can be', () => {
    const levels = 1_000_000;
    const deep = `{"event":"x","deep":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const elements = elementsOf(parse(`[${deep},${good()}]`));
    expect(elements.map((element) => element.ok || element.why)).toEqual(['too_large', true]);
    const shallower = `{"event":"x","deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    expect(outline(parse(`[${shallower}]`))).toEqual([{ why: 'too_deep', json: shallower }]);
  });

  it('sets an event apart that is too large for a record', () => {
    const large = `{"event":"open","email":"a@example.com","timestamp":1,"arg":"${'x'.repeat(300_000)}"}`;
    expect(outline(parse(`[${good()},${large}]`))).toEqual(['a@example.com', { why: 'too_large', json: large }]);
  });
});
