import { Inject, Injectable } from '@nestjs/common';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { countryOfNumber } from '@signalbox/twilio';
import { CONFIG, type VerifyConfig } from '../config.ts';
import type { Judgement, Outcome, Sending } from '../send/sending.ts';
import { newBlock } from './block.ts';
import { addBlocks } from './block.store.ts';
import { reportBlocks } from './block.report.ts';
import { guardFindings } from './guard.metrics.ts';
import type { Traffic } from './guard.rules.ts';
import { type Case, type Finding, judge, refusedFor } from './judge.rules.ts';
import { isHome } from './home.ts';
import { blockOf, networkOf } from './prefix.rules.ts';
import {
  countStarts,
  type GuardedStart,
  type Knowledge,
  keyOf,
  lockBlocks,
  noteApprovals,
  type Standing,
  takeBack,
} from './start.store.ts';

const allowed: Judgement = { allow: true };

/** What the guard has locked, and what stands there. */
export interface Locked {
  readonly standing: readonly Standing[];
}

/** Twilio's own fraud guard has refused. Source: https://www.twilio.com/docs/api/errors/60410 */
const refusedAsFraud = '60410';

/**
 * The fraud guard. It is asked in the transaction that opens the sends, after the limits and before the call; one judgement
 * per sending, in order. What it locks, it locks in key order: several of these transactions run at once.
 */
@Injectable()
export class Guard {
  readonly #tenants: TenantDirectory;
  readonly #windowMs: number;
  readonly #log: Logger;

  constructor(
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: Pick<VerifyConfig, 'GUARD_BLOCK_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#tenants = tenants;
    this.#windowMs = config.GUARD_BLOCK_MS;
    this.#log = log;
  }

  /** Locks for sendings, before it is known which of them are to be judged: then `judge` needs no round trip for that. */
  async lock(tx: Transaction, sendings: readonly Sending[]): Promise<Locked> {
    const starts = startsOf(sendings);
    return { standing: starts.length === 0 ? [] : await lockBlocks(tx, starts, null) };
  }

  /** @param locked what `lock` gave for these, and maybe others; without it they are locked here */
  async judge(tx: Transaction, sendings: readonly Sending[], now: Date, locked?: Locked): Promise<Judgement[]> {
    const starts = startsOf(sendings);
    if (starts.length === 0) return sendings.map(() => allowed);
    const findings = await this.#find(tx, starts, now, locked?.standing ?? (await lockBlocks(tx, starts, now)));
    const refused = new Map([...findings].filter(([{ tenant }]) => this.#enforces(tenant)));
    await this.#block(tx, findings, now);
    onCommit(tx, () => {
      for (const [start, { reason }] of findings) guardFindings.inc({ reason, refused: String(refused.has(start)) });
    });
    const reasons = new Map([...refused].map(([start, { reason }]) => [start.verificationId, reason]));
    return sendings.map(({ verificationId }) => {
      const reason = reasons.get(verificationId);
      return reason ? { allow: false, reason } : allowed;
    });
  }

  /** Told in the transaction that saves what happened. */
  learn(tx: Transaction, outcomes: readonly Outcome[]): void {
    const ids = (which: (outcome: Outcome) => boolean) => outcomes.filter(which).map(idOf).sort();
    takeBack(
      tx,
      ids(({ kind, errorCode }) => kind === 'refused' && String(errorCode) === refusedAsFraud),
      'provider',
    );
    const approved = outcomes.find(({ kind }) => kind === 'approved');
    if (approved)
      noteApprovals(
        tx,
        ids(({ kind }) => kind === 'approved'),
        approved.at,
      );
  }

  async #find(
    tx: Transaction,
    starts: readonly GuardedStart[],
    now: Date,
    standing: readonly Standing[],
  ): Promise<Map<GuardedStart, Finding>> {
    const findings = new Map<GuardedStart, Finding>();
    for (const start of starts) {
      if (!isCountryAllowed(this.#tenants.byName(start.tenant), start.number)) {
        findings.set(start, refusedFor('country_not_allowed'));
      } else if (standing.some((block) => block.blocked && covers(block, start))) {
        findings.set(start, refusedFor('prefix_blocked'));
      }
    }
    // What is only observed goes out, so it counts.
    const open = starts.filter((start) => !start.counted && !(findings.has(start) && this.#enforces(start.tenant)));
    if (open.length === 0) return findings;

    const since = new Date(now.getTime() - this.#windowMs);
    const knowledge = await countStarts(tx, open, since, now);
    const blockedNow = new Set<string>();
    for (const start of open) {
      const key = keyOf(start.tenant, start.block);
      const judged = blockedNow.has(key)
        ? refusedFor('prefix_blocked')
        : judge(caseOf(start, knowledge, standing, isHome(this.#tenants.byName(start.tenant), start.number)));
      const finding = findings.get(start) ?? judged;
      if (finding) findings.set(start, finding);
      if (judged && judged.signs.length > 0) blockedNow.add(key);
      if (!finding || !this.#enforces(start.tenant)) addTo(knowledge, start);
    }
    const undone = open.filter((start) => findings.has(start) && this.#enforces(start.tenant));
    takeBack(tx, undone.map(idOf), 'guard');
    return findings;
  }

  /** Blocks the thousand numbers around what looks pumped. */
  async #block(tx: Transaction, findings: ReadonlyMap<GuardedStart, Finding>, now: Date): Promise<void> {
    const pumped = [...findings].filter(([, { signs }]) => signs.length > 0);
    const blocks = pumped.map(([{ tenant, block: prefix }, { signs, traffic }]) =>
      newBlock({ tenant, prefix, level: 'block', signs, ...traffic, usualShare: 0 }, now, this.#windowMs),
    );
    const made = await addBlocks(tx, blocks);
    onCommit(tx, () => reportBlocks(this.#log, made));
  }

  #enforces(tenant: string): boolean {
    return this.#tenants.byName(tenant)?.verify?.guard !== 'observe';
  }
}

/** Those that the guard judges: what goes to a number. */
function startsOf(sendings: readonly Sending[]): GuardedStart[] {
  return sendings.filter(({ channel, to }) => channel !== 'email' && to.includes('+')).map(toStart);
}

const idOf = ({ verificationId }: { verificationId: string }) => verificationId;

function toStart({ verificationId, tenant, to, ip, subject, earlierSends }: Sending): GuardedStart {
  const number = to.replace(/^whatsapp:/, '');
  return {
    verificationId,
    tenant,
    number,
    block: blockOf(number),
    network: ip === null ? null : networkOf(ip),
    subject,
    counted: earlierSends > 0,
  };
}

function isCountryAllowed(tenant: Tenant | undefined, number: string): boolean {
  const countries = tenant?.verify?.countries;
  return countries === undefined || countries.includes(countryOfNumber(number) ?? '');
}

function covers(standing: Standing, { tenant, number }: GuardedStart): boolean {
  return standing.tenant === tenant && number.startsWith(standing.prefix);
}

function caseOf(start: GuardedStart, knowledge: Knowledge, standing: readonly Standing[], isHome: boolean): Case {
  const { tenant, number, block, network, subject } = start;
  const none: Traffic = { started: 0, approved: 0 };
  return {
    number,
    isHome,
    block: knowledge.blocks.get(keyOf(tenant, block)) ?? [],
    refusedByProvider: knowledge.refusedByProvider.get(keyOf(tenant, block)) ?? 0,
    outstandingBeside: knowledge.outstandingBeside.get(keyOf(tenant, block)) ?? 0,
    isFreed: standing.some((other) => !other.blocked && covers(other, start)),
    network: network === null ? undefined : (knowledge.networks.get(keyOf(tenant, network)) ?? none),
    subject: subject === null ? undefined : (knowledge.subjects.get(keyOf(tenant, subject)) ?? none),
  };
}

/** The next start of the same transaction sees this one. */
function addTo(knowledge: Knowledge, { tenant, number, block, network, subject }: GuardedStart): void {
  const key = keyOf(tenant, block);
  knowledge.blocks.set(key, [{ number, approved: false }, ...(knowledge.blocks.get(key) ?? [])]);
  const count = (traffic: Map<string, Traffic>, value: string | null) => {
    if (value === null) return;
    const { started = 0, approved = 0 } = traffic.get(keyOf(tenant, value)) ?? {};
    traffic.set(keyOf(tenant, value), { started: started + 1, approved });
  };
  count(knowledge.networks, network);
  count(knowledge.subjects, subject);
}
