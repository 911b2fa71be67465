import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure } from '@signalbox/contracts';
import { type Attempt, bucketKey, type Buckets, quotasOf, scopeOf } from '@signalbox/outbound';
import { after, attempt, message, now, tenant } from '../../test/builders.ts';
import type { Message } from '../message/message.ts';
import { givenQuotas } from '../quota/quota-kinds.rules.ts';
import type { StoredLine } from './story.rules.ts';
import { type Line, waitingFor } from './waiting.rules.ts';

const at = (ms: number) => after(ms).toISOString();
const root = join(import.meta.dirname, '../../../..');

const failure = (code: Failure['code'], title: string): Failure => ({ code, class: 'retryable', title, remedy: '' });
const held = (detail: StoredLine['detail']): StoredLine => ({ at: at(-9_000), kind: 'held', detail });
const queued: Partial<Message> = { state: 'queued', attempt: 0, dueAt: at(-1_000) };
const sender = 'sender:MG00000000000000000000000000000001';
const quotas = quotasOf(
  givenQuotas({
    ...tenant,
    quotas: { account: { dailyCap: 10 }, senders: { default: { rate: 2, burst: 1 } }, prefixes: {} },
  }),
  new Map(),
);
const capReached: Buckets = new Map([
  [bucketKey('demo', scopeOf('account')), { nextMs: 0, day: '2026-11-24', used: 10 }],
]);

interface Case {
  readonly label: string;
  readonly message: Partial<Message>;
  readonly attempts?: readonly Partial<Attempt>[];
  readonly lines?: readonly StoredLine[];
  readonly line?: Partial<Line>;
  readonly is: { reason: string; since: string; until: string | null; summary: RegExp };
}

const cases: readonly Case[] = [
  {
    label: 'its time has not come',
    message: { state: 'scheduled', attempt: 0, dueAt: at(60_000) },
    is: { reason: 'scheduled', since: at(0), until: at(60_000), summary: /sendAt/ },
  },
  {
    label: 'quiet hours',
    message: { ...queued, dueAt: at(60_000) },
    lines: [held({ reason: 'quiet_hours', until: at(60_000), zones: ['Europe/Berlin'] })],
    is: { reason: 'quiet_hours', since: at(-9_000), until: at(60_000), summary: /Europe\/Berlin/ },
  },
  {
    label: 'a blocked prefix',
    message: { ...queued, dueAt: at(60_000) },
    lines: [held({ reason: 'blocked_prefix', until: at(60_000), prefix: '+37122' })],
    is: { reason: 'blocked_prefix', since: at(-9_000), until: at(60_000), summary: /\+37122/ },
  },
  {
    label: 'a back-off after it was held earlier',
    message: { dueAt: at(4_000) },
    attempts: [{ state: 'deferred', httpStatus: 429, finishedAt: at(-50), error: failure(20429, 'Too many requests') }],
    lines: [held({ reason: 'quiet_hours', until: at(-2_000), zones: ['Europe/Berlin'] })],
    is: { reason: 'back_off', since: at(-50), until: at(4_000), summary: /attempt 1 .*HTTP 429, Too many requests/ },
  },
  {
    label: 'a call under way',
    message: {},
    attempts: [{}],
    is: { reason: 'answer', since: at(0), until: at(30_000), summary: /attempt 1/ },
  },
  {
    label: 'a call whose process is gone',
    message: {},
    attempts: [{ startedAt: at(-40_000), leaseUntil: at(-10_000) }],
    is: { reason: 'in_doubt', since: at(-10_000), until: at(-10_000), summary: /process/ },
  },
  {
    label: 'in doubt, and the list did not tell',
    message: {},
    attempts: [{ state: 'in_doubt', httpStatus: 500, finishedAt: at(-5_000), leaseUntil: at(10_000) }],
    lines: [{ at: at(-1), kind: 'in_doubt', detail: { attempt: 1, why: 'the list could not be read' } }],
    is: { reason: 'in_doubt', since: at(-5_000), until: at(10_000), summary: /could not be read/ },
  },
  {
    label: 'refused credentials, as this replica knows',
    message: queued,
    line: { hold: { why: 'credentials', sinceMs: after(-70_000).getTime(), untilMs: after(20_000).getTime() } },
    is: { reason: 'credentials_refused', since: at(-70_000), until: at(20_000), summary: /demo's credentials/ },
  },
  {
    label: 'refused credentials, as another replica met them',
    message: { dueAt: at(-1_000) },
    attempts: [{ state: 'deferred', httpStatus: 401, finishedAt: at(-1_000), error: failure(20003, 'Authenticate') }],
    is: { reason: 'credentials_refused', since: at(-1_000), until: null, summary: /demo's credentials/ },
  },
  {
    label: 'a pause the provider asked for',
    message: queued,
    line: { hold: { why: 'paused', untilMs: after(2_000).getTime() } },
    is: { reason: 'account_paused', since: at(-1_000), until: at(2_000), summary: /429/ },
  },
  {
    label: "a day's cap",
    message: { ...queued, queue: sender },
    line: { quotas, buckets: capReached },
    is: { reason: 'daily_cap', since: at(-1_000), until: '2026-11-25T00:00:00.000Z', summary: /cap of account/ },
  },
  {
    label: 'a rate, with others ahead',
    message: { ...queued, queue: sender },
    line: { quotas, ahead: 10 },
    is: { reason: 'quota', since: at(-1_000), until: at(5_000), summary: /sender:MG0+1 may send 2 .*10 ahead/ },
  },
  {
    label: 'nothing but its turn',
    message: queued,
    is: { reason: 'in_line', since: at(-1_000), until: null, summary: /0 ahead/ },
  },
  {
    label: 'the next word of the provider',
    message: { state: 'sent', checkAt: at(300_000) },
    attempts: [{ state: 'accepted' }],
    is: { reason: 'provider', since: at(0), until: at(300_000), summary: /sent/ },
  },
];

describe('what a message waits for', () => {
  const lineNow: Line = { now, quotas: new Map(), buckets: new Map(), ahead: 0, hold: null };

  it.each(cases)('$label', ({ message: changes, attempts = [], lines = [], line, is: { summary, ...rest } }) => {
    const waiting = waitingFor(message(changes), attempts.map(attempt), lines, { ...lineNow, ...line });
    expect(waiting).toMatchObject(rest);
    expect(waiting?.summary).toMatch(summary);
    if (waiting?.runbook) expect(existsSync(join(root, waiting.runbook))).toBe(true);
  });

  it.each(['delivered', 'failed', 'rejected', 'canceled', 'expired'] as const)('nothing, once %s', (state) => {
    expect(waitingFor(message({ state }), [attempt({ state: 'accepted' })], [], lineNow)).toBeNull();
  });
});
