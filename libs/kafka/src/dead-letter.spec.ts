import { describe, expect, it } from '@jest/globals';
import { attributesOf, deadLetter, reasonOf } from './dead-letter.ts';

const origin = { topic: 'commands.v1', partition: 3, offset: '42', group: 'svc' };
const at = new Date('2026-11-24T18:00:00.123Z');

describe('deadLetter', () => {
  it('keeps key, value and headers as they were and says where from and why', () => {
    const headers = { raw: Buffer.from([0xff, 0x00]), repeated: [Buffer.from('a'), Buffer.from('b')] };
    const letter = deadLetter({ key: Buffer.from('k'), value: Buffer.from('{'), headers }, origin, {
      reason: 'value is not JSON',
      attempts: 1,
      at,
    });
    expect(letter).toEqual({
      key: Buffer.from('k'),
      value: Buffer.from('{'),
      headers: {
        ...headers,
        sb_dlq_reason: 'value is not JSON',
        sb_dlq_topic: 'commands.v1',
        sb_dlq_partition: '3',
        sb_dlq_offset: '42',
        sb_dlq_attempts: '1',
        sb_dlq_group: 'svc',
        sb_dlq_time: '2026-11-24T18:00:00.123Z',
      },
    });
  });

  it('takes a record without key, value and headers', () => {
    const letter = deadLetter({ key: null, value: null }, origin, { reason: 'x', attempts: 1, at });
    expect(letter).toMatchObject({ key: null, value: null });
  });

  it('writes null headers, which kafkajs cannot send, as empty ones', () => {
    const headers = { gone: null as unknown as Buffer };
    const letter = deadLetter({ key: null, value: null, headers }, origin, { reason: 'x', attempts: 1, at });
    expect(letter.headers?.['gone']).toEqual(Buffer.alloc(0));
  });

  it('cuts a long reason, without leaving half a character', () => {
    const reason = 'x'.repeat(498) + '😀'.repeat(100);
    const letter = deadLetter({ key: null, value: null }, origin, { reason, attempts: 1, at });
    const cut = String(letter.headers?.['sb_dlq_reason']);
    expect(cut.length).toBeLessThanOrEqual(500);
    expect(cut.isWellFormed()).toBe(true);
  });
});

describe('reasonOf', () => {
  it.each([
    [new TypeError('cannot read +14155550199'), 'handler failed: TypeError'],
    [Object.assign(new Error('Key (to)=(+14155550199) exists'), { code: '23505' }), 'handler failed: Error 23505'],
    ['+14155550199', 'handler failed: not an Error'],
  ])('names the kind of error and none of its values: %s', (error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });
});

describe('attributesOf', () => {
  it('reads strings, bytes and the last of repeated headers', () => {
    const headers = { ce_id: Buffer.from('1'), ce_type: 'a', many: [Buffer.from('x'), 'y'], none: undefined };
    expect(attributesOf(headers)).toEqual({ ce_id: '1', ce_type: 'a', many: 'y' });
  });
});
