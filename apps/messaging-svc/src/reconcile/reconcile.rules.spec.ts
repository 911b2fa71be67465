import { describe, expect, it } from '@jest/globals';
import { after, attempt, message } from '../../test/builders.ts';
import { judge, type ListedMessage } from './reconcile.rules.ts';

function listed(changes: Partial<ListedMessage> = {}): ListedMessage {
  return {
    sid: 'SM1',
    to: '+14155550199',
    from: '+14155550100',
    messagingServiceSid: 'MG00000000000000000000000000000001',
    body: 'Your order has shipped',
    status: 'queued',
    createdAt: after(500),
    ...changes,
  };
}

const judged = (items: ListedMessage[], claimed: string[] = [], of = message()) =>
  judge(of, attempt(), items, new Set(claimed));

describe('judge', () => {
  it('finds the message in the list', () => {
    expect(judged([listed()])).toEqual({ kind: 'taken', listed: listed() });
  });

  it('allows for whole seconds and for clocks that differ', () => {
    expect(judged([listed({ createdAt: after(-3000) })]).kind).toBe('taken');
  });

  it.each([
    ['an empty list', []],
    ['another recipient', [listed({ to: '+14155550198' })]],
    ['another sender', [listed({ messagingServiceSid: null })]],
    ['another text', [listed({ body: 'Your order is late' })]],
    ['one from before the attempt', [listed({ createdAt: after(-60_000) })]],
  ])('does not take %s for it', (_label, items) => {
    expect(judged(items)).toEqual({ kind: 'not_taken' });
  });

  it('does not take what belongs to another attempt', () => {
    expect(judged([listed()], ['SM1'])).toEqual({ kind: 'not_taken' });
    expect(judged([listed({ sid: 'SM2', createdAt: after(900) }), listed()], ['SM1'])).toMatchObject({
      listed: { sid: 'SM2' },
    });
  });

  it('takes the oldest of several', () => {
    expect(judged([listed({ sid: 'SM2', createdAt: after(900) }), listed()])).toMatchObject({ listed: { sid: 'SM1' } });
  });

  it.each([
    ['punctuation replaced by smart encoding', 'It’s “here”…', 'It\'s "here"...'],
    ['the notice of a trial account', 'Hello', 'Sent from your Twilio trial account - Hello'],
    ['a message of media only', null, ''],
  ])('sees through %s', (_label, body, sent) => {
    const of = message({ content: { ...message().content, body } });
    expect(judged([listed({ body: sent })], [], of).kind).toBe('taken');
  });

  it('leaves the text of a content template to the provider', () => {
    const of = message({
      content: { ...message().content, body: null, contentSid: 'HX00000000000000000000000000000001' },
    });
    expect(judged([listed({ body: 'Rendered there' })], [], of).kind).toBe('taken');
  });
});
