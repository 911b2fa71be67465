import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AnomalyOpened } from '@signalbox/contracts';
import { createLogger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { outboxEvents, type VerifyDatabase, verifyDatabase } from '../../test/database.ts';
import type { Sending } from '../send/sending.ts';
import { endBlocks, standingBlocks } from './block.store.ts';
import { Guard } from './guard.ts';
import { watch } from './watch.ts';

const hour = 3_600_000;
const blockMs = 6 * hour;
const noon = Date.parse('2026-11-24T12:00:00.000Z');

const policies: Record<string, { countries?: string[]; guard: 'enforce' | 'observe' }> = {
  demo: { guard: 'enforce' },
  watched: { guard: 'observe' },
  european: { guard: 'enforce', countries: ['DE', 'FR'] },
};
const tenants = {
  byName: (name: string) => ({ name, senders: ['+14155550100'], verify: policies[name] }),
} as unknown as TenantDirectory;
const log = createLogger('spec', { level: 'silent' });
const guard = new Guard(tenants, { GUARD_BLOCK_MS: blockMs }, log);

let database: VerifyDatabase;
beforeAll(async () => (database = await verifyDatabase()));
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query('truncate guard_starts, guard_deltas, guard_prefixes, guard_blocks, outbox'),
);

interface Ask {
  to: string;
  /** Milliseconds after noon. */
  at: number;
  tenant?: string;
  ip?: string | null;
  subject?: string | null;
  earlierSends?: number;
  verificationId?: string;
}

function sending({ to, tenant = 'demo', ip = null, subject = null, ...rest }: Ask): Sending {
  return {
    verificationId: rest.verificationId ?? randomUUID(),
    tenant,
    channel: to.includes('@') ? 'email' : 'sms',
    to,
    recipientHash: 'hash',
    subject,
    ip,
    deviceId: null,
    earlierSends: rest.earlierSends ?? 0,
  };
}

async function ask(request: Ask): Promise<string> {
  const one = sending(request);
  const [judgement] = await database.transact((tx) => guard.judge(tx, [one], new Date(noon + request.at)));
  return judgement?.allow === false ? judgement.reason : 'sent';
}

async function tell(verificationId: string, kind: 'approved' | 'refused', at: number, errorCode: number | null = null) {
  const outcome = {
    verificationId,
    tenant: 'demo',
    channel: 'sms' as const,
    to: '',
    recipientHash: 'hash',
    kind,
    errorCode,
    at: new Date(noon + at),
  };
  await database.transact(async (tx) => guard.learn(tx, [outcome]));
}

const pass = (at: number) =>
  database.transact((tx) => watch(tx, { blockMs, isHome: () => false }, new Date(noon + at)));
const blocks = async () => (await database.transact((tx) => standingBlocks(tx))).map(({ prefix }) => prefix).sort();
const anomalies = async () =>
  (await outboxEvents<AnomalyOpened>(database)).map(({ type, key }) => `${type.split('.')[2] ?? ''} ${key}`);

/** Traffic on a clock of its own: what is asked, when, and after how long it is approved; null for never. */
interface Person {
  to: string;
  at: number;
  approvedAfter: number | null;
  tenant?: string;
}

/** Plays traffic in the order of its times, with a pass of the background every half second of it in which something happened. */
async function play(people: readonly Person[]): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const ids = new Map(people.map((person) => [person, randomUUID()]));
  const steps = people.flatMap((person) => [
    { at: person.at, person, what: 'ask' as const },
    ...(person.approvedAfter === null
      ? []
      : [{ at: person.at + person.approvedAfter, person, what: 'approve' as const }]),
  ]);
  let passed = 0;
  for (const { at, person, what } of steps.sort((a, b) => a.at - b.at)) {
    if (at - passed >= 500) {
      await pass(at);
      passed = at;
    }
    const verificationId = ids.get(person) ?? '';
    if (what === 'ask') answers.set(person.to, await ask({ ...person, verificationId }));
    else if (answers.get(person.to) === 'sent') await tell(verificationId, 'approved', at);
  }
  return answers;
}

const sentTo = (answers: ReadonlyMap<string, string>, prefix: string) =>
  [...answers].filter(([to, answer]) => to.startsWith(prefix) && answer === 'sent').length;

/** `count` numbers from `first` on, in steps, asked for at a pace. */
function numbers(
  first: string,
  count: number,
  { step = 1, everyMs = 10, from = 0, approvedAfter = null as number | null } = {},
): Person[] {
  return Array.from({ length: count }, (_, index) => ({
    to: `+${BigInt(first.slice(1)) + BigInt(index * step)}`,
    at: from + index * everyMs,
    approvedAfter,
  }));
}

/** Spread over a numbering plan, without randomness. */
const scattered = (area: string, digits: number, count: number, options: Parameters<typeof numbers>[2]) =>
  numbers(`${area}${'0'.repeat(digits)}`, count, options).map((person, index) => ({
    ...person,
    to: `${area}${String((index * 7_368_787 + 1_234_567) % 10 ** digits).padStart(digits, '0')}`,
  }));

describe('pumping', () => {
  it('of a thousand numbers in a row is stopped within fifty sends, and those beside it get their codes', async () => {
    const attack = numbers('+994501201500', 1000, { everyMs: 10 });
    const sameCountry = scattered('+99455', 7, 60, { everyMs: 200, approvedAfter: 20_000 });
    const sameNetwork = scattered('+994508', 6, 40, { everyMs: 300, approvedAfter: 15_000 });
    const elsewhere = scattered('+4915', 9, 60, { everyMs: 150, approvedAfter: 30_000 });
    const answers = await play([...attack, ...sameCountry, ...sameNetwork, ...elsewhere]);
    expect(sentTo(answers, '+9945012')).toBeLessThanOrEqual(50);
    expect([sentTo(answers, '+99455'), sentTo(answers, '+994508'), sentTo(answers, '+4915')]).toEqual([60, 40, 60]);
    expect(await blocks()).toEqual(['+994501201', '+994501202']);
    expect(await anomalies()).toEqual(['opened demo:prefix=+994501201', 'opened demo:prefix=+994501202']);
  });

  it('is stopped when the numbers are shuffled', async () => {
    const attack = numbers('+994501201000', 1000).map((person, index) => ({
      ...person,
      to: `+994501201${String((index * 379) % 1000).padStart(3, '0')}`,
    }));
    expect(sentTo(await play(attack), '+')).toBeLessThanOrEqual(24);
  });

  it('is stopped at home as well, where neighbouring numbers are no sign', async () => {
    expect(sentTo(await play(numbers('+14157770000', 200)), '+')).toBe(44);
    expect(await blocks()).toEqual(['+14157770']);
  });

  it('that goes on in the next thousand numbers has used up what they may have', async () => {
    expect(sentTo(await play(numbers('+14157770500', 1000)), '+')).toBe(44 + 4);
    expect(await blocks()).toEqual(['+14157770', '+14157771']);
  });

  it('is stopped when it is slow: one in ten seconds', async () => {
    const attack = numbers('+994501201000', 120, { everyMs: 10_000 });
    const normal = scattered('+99455', 7, 60, { everyMs: 20_000, approvedAfter: 20_000 });
    const answers = await play([...attack, ...normal]);
    expect(sentTo(answers, '+99450')).toBeLessThanOrEqual(24);
    expect(sentTo(answers, '+99455')).toBe(60);
  });

  it('of several prefixes at once is stopped in each, and the country goes on', async () => {
    const places = ['+994501201000', '+994517773000', '+994551119000', '+994704445000', '+994775552000'];
    const attacks = places.flatMap((first, index) => numbers(first, 200, { everyMs: 50, from: index }));
    const normal = ['+99450', '+99451', '+99455', '+99470', '+99477'].flatMap((area, index) =>
      scattered(area, 7, 20, { everyMs: 500, from: 7 * index, approvedAfter: 10_000 }),
    );
    const answers = await play([...attacks, ...normal]);
    const sent = (people: readonly Person[]) => people.filter(({ to }) => answers.get(to) === 'sent').length;
    expect(sent(attacks)).toBeLessThanOrEqual(5 * 12);
    expect(sent(normal)).toBe(100);
    expect(await blocks()).toEqual(places.map((first) => first.slice(0, -3)).sort());
  });

  it('all over a network is stopped by the widest prefix it needs, and others of the country go on', async () => {
    const attack = scattered('+99450', 7, 500, { everyMs: 100 });
    const normal = scattered('+99455', 7, 80, { everyMs: 500, approvedAfter: 15_000 });
    const answers = await play([...attack, ...normal]);
    expect(sentTo(answers, '+99450')).toBeLessThanOrEqual(210);
    expect(sentTo(answers, '+99455')).toBe(80);
    expect(await blocks()).toEqual(['+99450']);
  });

  it('sees a hundred starts at once as one after the other', async () => {
    const answers = await Promise.all(numbers('+994501201000', 100).map((person) => ask({ ...person, at: 0 })));
    expect(answers.filter((answer) => answer === 'sent')).toHaveLength(11);
    expect(await blocks()).toEqual(['+994501201']);
    expect(await anomalies()).toHaveLength(1);
  });

  it('is judged alike within one batch', async () => {
    const batch = numbers('+994501201000', 100).map((person) => sending({ ...person, at: 0 }));
    const judgements = await database.transact((tx) => guard.judge(tx, batch, new Date(noon)));
    expect(judgements.filter(({ allow }) => allow)).toHaveLength(11);
    expect(judgements.slice(0, 11).every(({ allow }) => allow)).toBe(true);
  });

  it('is told by the provider as well: what its own guard refuses thrice is blocked', async () => {
    for (let index = 0; index < 3; index++) {
      const verificationId = randomUUID();
      expect(await ask({ to: `+99450120100${index * 3}`, at: index, verificationId })).toBe('sent');
      await tell(verificationId, 'refused', index, 60410);
    }
    expect(await ask({ to: '+994501201999', at: 10 })).toBe('pumping');
    expect(await blocks()).toEqual(['+994501201']);
  });
});

describe('what is no pumping goes on', () => {
  it.each<[string, () => Person[]]>([
    [
      'a launch in one city, five a second at its height',
      () => scattered('+1415', 7, 600, { everyMs: 200, approvedAfter: 18_000 }),
    ],
    [
      'the same, when three in ten never finish',
      () =>
        scattered('+1415', 7, 400, { everyMs: 400, approvedAfter: 25_000 }).map((person, index) =>
          index % 10 < 3 ? { ...person, approvedAfter: null } : person,
        ),
    ],
    [
      'the hundred employees of a company, by their extensions',
      () => numbers('+493023125100', 100, { everyMs: 3_000, approvedAfter: 25_000 }),
    ],
    [
      'a new country with its first ten starts, of which nobody has finished yet',
      () => scattered('+50688', 6, 10, { everyMs: 1_000 }),
    ],
    [
      'a month of a small country of which half finish',
      () =>
        scattered('+35387', 7, 300, { everyMs: 2_400_000, approvedAfter: 30_000 }).map((person, index) =>
          index % 2 ? { ...person, approvedAfter: null } : person,
        ),
    ],
  ])('%s', async (_label, people) => {
    const all = people();
    expect(sentTo(await play(all), '+')).toBe(all.length);
    expect(await blocks()).toEqual([]);
    expect(await anomalies()).toEqual([]);
  });
});

describe('a block', () => {
  const attack = async (at = 0, count = 40) => play(numbers('+994501201000', count, { from: at }));

  it('ends in time, with its anomaly, and what it was made for does not count again', async () => {
    await attack();
    expect(await ask({ to: '+994501201900', at: blockMs - 1000 })).toBe('prefix_blocked');
    await pass(blockMs - 1000);
    expect(await blocks()).toEqual(['+994501201']);
    await pass(blockMs + 1000);
    expect(await blocks()).toEqual([]);
    expect(await anomalies()).toEqual(['opened demo:prefix=+994501201', 'closed demo:prefix=+994501201']);
    expect(await ask({ to: '+994501201900', at: blockMs + 2000 })).toBe('sent');
  });

  it('no longer holds once its time is over, whether or not anybody has ended it', async () => {
    await attack();
    expect(await ask({ to: '+994501201900', at: blockMs + 1000 })).toBe('sent');
  });

  it('ends when so many were approved after all that it was a mistake', async () => {
    const ids = Array.from({ length: 11 }, () => randomUUID());
    for (const [index, verificationId] of ids.entries())
      expect(await ask({ to: `+493023125${100 + index}`, at: index, verificationId })).toBe('sent');
    expect(await ask({ to: '+493023125111', at: 20 })).toBe('pumping');
    for (const id of ids.slice(0, 3)) await tell(id, 'approved', 20_000);
    await pass(20_500);
    expect(await ask({ to: '+493023125111', at: 21_000 })).toBe('prefix_blocked');
    await tell(ids[3] ?? '', 'approved', 22_000);
    await pass(22_500);
    expect(await blocks()).toEqual([]);
    expect(await ask({ to: '+493023125111', at: 23_000 })).toBe('sent');
  });

  it('holds for resends and fallbacks too, and for no other tenant', async () => {
    await attack();
    expect(await ask({ to: '+994501201900', at: 1000, earlierSends: 1 })).toBe('prefix_blocked');
    expect(await ask({ to: '+994501201900', at: 1000, tenant: 'european' })).toBe('country_not_allowed');
    expect(await ask({ to: '+994501201900', at: 1000, tenant: 'watched' })).toBe('sent');
  });

  it('that an administrator has lifted is not made again before it would have ended, nor wider for what was freed', async () => {
    await attack();
    const [block] = await database.transact((tx) => standingBlocks(tx, 'demo'));
    await database.transact((tx) => endBlocks(tx, [block?.id ?? ''], 'admin', new Date(noon + 1000)));
    const more = await play(numbers('+994501201100', 400, { from: 2000 }));
    expect(sentTo(more, '+')).toBe(400);
    expect(await blocks()).toEqual([]);
    const later = await play(numbers('+994501201600', 60, { from: blockMs + 10_000 }));
    expect(sentTo(later, '+')).toBeLessThanOrEqual(24);
  });

  it('is made by one of several replicas, once', async () => {
    await play(scattered('+99450', 7, 190, { everyMs: 1 }));
    await Promise.all(scattered('+99450', 6, 20, {}).map((person) => ask({ ...person, at: 200 })));
    const passes = await Promise.all([pass(1000), pass(1000), pass(1000)]);
    expect(passes.flatMap(({ began }) => began)).toHaveLength(1);
    expect(await anomalies()).toEqual(['opened demo:prefix=+99450']);
  });
});

describe('the guard', () => {
  it('sends nothing to countries the tenant does not serve', async () => {
    expect(await ask({ to: '+4915112345678', at: 0, tenant: 'european' })).toBe('sent');
    expect(await ask({ to: '+14155550199', at: 0, tenant: 'european' })).toBe('country_not_allowed');
    expect(await ask({ to: '+999123456789', at: 0, tenant: 'european' })).toBe('country_not_allowed');
    expect(await ask({ to: 'someone@example.com', at: 0, tenant: 'european' })).toBe('sent');
  });

  it('only tells what it would do where it observes', async () => {
    const people = numbers('+994501201000', 60).map((person) => ({ ...person, tenant: 'watched' }));
    expect(sentTo(await play(people), '+')).toBe(60);
    expect(await blocks()).toEqual(['+994501201']);
    expect(await anomalies()).toEqual(['opened watched:prefix=+994501201']);
  });

  it('stops one address, and one user, that start many numbers', async () => {
    const counts = async (ip: string | null, subject: string | null) => {
      const answers = [];
      for (const person of scattered('+4915', 9, 40, { everyMs: 60_000 }))
        answers.push(await ask({ ...person, ip, subject }));
      return [answers.filter((answer) => answer === 'sent').length, answers.find((answer) => answer !== 'sent')];
    };
    expect(await counts('192.0.2.7', null)).toEqual([20, 'address_fan_out']);
    expect(await counts(null, 'user-1')).toEqual([5, 'subject_fan_out']);
    expect(await ask({ to: '+4917212345678', at: 0, ip: '192.0.2.8', subject: 'user-2' })).toBe('sent');
    expect(await ask({ to: '+4917212345679', at: 60_000 + blockMs + 40 * 60_000, ip: '192.0.2.7' })).toBe('sent');
  });

  it('does not count what it refused, nor a start twice', async () => {
    const verificationId = randomUUID();
    await ask({ to: '+4915112345678', at: 0, verificationId });
    await ask({ to: '+4915112345678', at: 1, verificationId, earlierSends: 1 });
    await play(numbers('+994501201000', 60));
    await pass(60_000);
    const [row] = await database.dataSource.query<{ starts: number }[]>(
      `select count(*)::int as starts from guard_starts where refused is null`,
    );
    expect(row).toEqual({ starts: 12 });
    const rows = await database.dataSource.query<{ prefix: string; started: number }[]>(
      `select prefix, started from guard_prefixes where prefix in ('+49', '+994') order by 1`,
    );
    expect(rows).toMatchObject([{ prefix: '+49' }, { prefix: '+994' }]);
    expect(rows.map(({ started }) => Math.round(started))).toEqual([1, 0]);
  });
});
