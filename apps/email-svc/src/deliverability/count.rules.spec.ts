import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { email, now } from '../../test/builders.ts';
import { type Email, type Step, unchanged } from '../email/email.ts';
import { advance, type EmailEvent } from '../progress/progress.rules.ts';
import { deltasOf, measured, subtract, add, noCounts } from './count.rules.ts';

const event = (status: string, params: EmailEvent['params'] = {}): EmailEvent => ({
  status,
  params,
  errorCode: null,
  resourceSid: '',
  providerTime: null,
});
const delivered = event('delivered');
const hardBounce = event('bounce', { type: 'bounce', status: '5.1.1' });
const softBounce = event('bounce', { type: 'bounce', status: '4.2.2' });
const blocked = event('bounce', { type: 'blocked', status: '5.7.1' });
const spam = event('spamreport');
const open = event('open');

const sent = (changes: Partial<Email> = {}) => email({ state: 'submitted', to: 'a@gmail.com', ...changes });
const after = (events: readonly EmailEvent[], of: Email = sent()): Step =>
  events.reduce((step, one) => advance(step, one, now).step, unchanged(of));
const counted = (step: Step) => {
  const [delta] = deltasOf([step], now);
  const found = measured.map((name): [string, number] => [name, delta?.[name] ?? 0]);
  return Object.fromEntries(found.filter(([, count]) => count !== 0)) as Record<string, number>;
};

describe('what is counted of an email', () => {
  it.each([
    ['nothing before the provider has answered', {}, [event('processed'), event('deferred')]],
    ['a delivery', { attempted: 1, delivered: 1 }, [delivered]],
    ['a hard bounce', { attempted: 1, hard_bounces: 1 }, [hardBounce]],
    ['a soft bounce', { attempted: 1, soft_bounces: 1 }, [softBounce]],
    ['a block', { attempted: 1, blocks: 1 }, [blocked]],
    ['a bounce after the delivery', { attempted: 1, delivered: 1, hard_bounces: 1 }, [delivered, hardBounce]],
    ['a complaint', { attempted: 1, delivered: 1, complaints: 1 }, [delivered, spam]],
    ['a complaint that overtook the delivery', { attempted: 1, delivered: 1, complaints: 1 }, [spam, delivered]],
    ['a complaint of which it is told twice', { attempted: 1, delivered: 1, complaints: 1 }, [spam, delivered, spam]],
    ['opens', { attempted: 1, delivered: 1, opens: 2 }, [open, open, delivered]],
    ['opens by a proxy', { attempted: 1, delivered: 1, machine_opens: 1 }, [event('open', { sg_machine_open: true })]],
    ['what SendGrid dropped itself: nothing', {}, [event('dropped', { reason: 'Bounced Address' })]],
  ] as const)('%s', (_label, expected, events) => {
    expect(counted(after(events))).toEqual(expected);
  });

  it('goes to the stream, the mailbox provider and the domain of the sender, in the hour in which it is told', () => {
    const steps = [
      after([delivered]),
      after([delivered], sent({ lane: 'critical', to: 'b@gmail.com' })),
      after([spam], sent({ lane: 'bulk', to: 'a@yahoo.fr', from: 'News <n@News.Demo.Example>' })),
    ];
    expect(deltasOf(steps, now)).toEqual([
      {
        ...{ tenant: 'demo', stream: 'transactional', provider: 'gmail', from_domain: 'demo.example' },
        ...{ ...noCounts, hour: '2026-11-24T18:00:00.000Z', attempted: 2, delivered: 2 },
      },
      {
        ...{ tenant: 'demo', stream: 'bulk', provider: 'yahoo', from_domain: 'news.demo.example' },
        ...{ ...noCounts, hour: '2026-11-24T18:00:00.000Z', attempted: 1, delivered: 1, complaints: 1 },
      },
    ]);
  });

  it('is counted once, however events are shuffled and cut into batches', () => {
    const all = [event('processed'), delivered, hardBounce, blocked, spam];
    fc.assert(
      fc.property(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.array(fc.nat(all.length), { maxLength: 3 }),
        (events, cuts) => {
          const ends = [...cuts, events.length].sort((a, b) => a - b);
          let one = sent();
          let sum = noCounts;
          let from = 0;
          for (const end of ends) {
            const step = after(events.slice(from, end), one);
            for (const delta of deltasOf([step], now)) sum = add(sum, delta);
            one = step.email;
            from = end;
          }
          expect(sum).toMatchObject({ attempted: 1, complaints: 1 });
          expect(sum.hard_bounces + sum.blocks).toBeLessThanOrEqual(1);
          expect(sum.delivered).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

it('subtracts no more than there is', () => {
  expect(subtract({ ...noCounts, delivered: 1 }, { ...noCounts, delivered: 5, opens: 2 })).toEqual(noCounts);
});
