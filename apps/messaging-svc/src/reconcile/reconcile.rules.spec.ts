import { describe, expect, it } from '@jest/globals';
import { after, attempt, message, now } from '../../test/builders.ts';
import type { ListedMessage } from '../dispatch/listed-message.ts';
import { isResendDue, judge, type Rival } from './reconcile.rules.ts';

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

const judged = (items: ListedMessage[], claimed: string[] = [], of = message(), rivals: Rival[] = []) =>
  judge(of, attempt(), items, new Set(claimed), rivals);

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

describe('judge, with another message to the recipient in doubt', () => {
  const says = (content: Partial<ReturnType<typeof message>['content']>) =>
    message({ id: '019a0000-0000-7000-8000-000000000002', content: { ...message().content, ...content } });
  const rival = (content: Parameters<typeof says>[0], startedAt = after(0)): Rival => {
    return { item: says(content), attempt: attempt({ startedAt: startedAt.toISOString() }) };
  };
  const template = { body: null, contentSid: 'HX00000000000000000000000000000001' };
  const other = { body: null, contentSid: 'HX00000000000000000000000000000002' };

  it.each<[string, string, Parameters<typeof says>[0], Rival, string]>([
    ['a text that is its own, whatever a template may render', 'Hi', { body: 'Hi' }, rival(template), 'taken'],
    ['a text that is the rival’s', 'Hi', template, rival({ body: 'Hi' }), 'not_taken'],
    ['what may be either of two templates', 'Rendered there', template, rival(other), 'ambiguous'],
    ['either of two equal ones', 'Rendered there', template, rival(template), 'taken'],
    [
      'a text whose end is its own, and the whole the rival’s',
      'Oh Hi',
      { body: 'Hi' },
      rival({ body: 'Oh Hi' }),
      'not_taken',
    ],
    [
      'what may be either of two media messages',
      '',
      { body: null, mediaUrls: ['https://a.example/1'] },
      rival({ body: null }),
      'ambiguous',
    ],
    ['what was made before the rival was sent', 'Rendered there', template, rival(other, after(60_000)), 'taken'],
  ])('given %s', (_label, body, content, against, verdict) => {
    expect(judged([listed({ body })], [], says(content), [against]).kind).toBe(verdict);
  });

  it('takes the one match that cannot be the rival’s', () => {
    const early = listed({ sid: 'SM2', body: 'Early' });
    const late = listed({ sid: 'SM1', body: 'Late', createdAt: after(70_000) });
    const verdict = judged([late, early], [], says(template), [rival(other, after(60_000))]);
    expect(verdict).toMatchObject({ kind: 'taken', listed: { sid: 'SM2' } });
  });
});

describe('isResendDue', () => {
  const hour = 3_600_000;
  it.each([
    ['nothing said', undefined, hour, false],
    ['hold', { policy: 'hold', after: 'PT1M' }, hour, false],
    ['resend, not long enough', { policy: 'resend', after: 'PT1H' }, hour - 1, false],
    ['resend, long enough', { policy: 'resend', after: 'PT1H' }, hour, true],
  ] as const)('%s', (_label, policy, ms, due) => {
    expect(isResendDue(policy, now, after(ms))).toBe(due);
  });
});
