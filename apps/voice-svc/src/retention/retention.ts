import { Inject, Injectable } from '@nestjs/common';
import { isAlone, Periodic, TRANSACT } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { defaultRetention, TenantDirectory } from '@signalbox/tenants';
import { DateTime, Duration } from 'luxon';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { retained } from '../metrics.ts';
import { eraseEnded, lookAgain } from './erase.store.ts';
import {
  deleteCalls,
  deleteConferences,
  deleteFacts,
  deleteRecordings,
  redactCalls,
  tenantsWithData,
} from './retention.store.ts';

/** Rows of one transaction: locks and bloat stay small, and a batch is over in a few milliseconds. */
const perBatch = 1_000;

interface Chore {
  readonly table: 'calls' | 'call_facts' | 'conferences' | 'recordings' | 'erased_calls';
  readonly what: 'redacted' | 'deleted';
  /** Does a batch; returns its rows. */
  readonly batch: (tx: Transaction) => Promise<number>;
}

/** Takes out what a tenant no longer wants to keep, by the periods of its `retention`, batch by batch. */
@Injectable()
export class Retention {
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(TenantDirectory) private readonly tenants: Pick<TenantDirectory, 'byName'>,
    @Inject(CONFIG) config: Pick<VoiceConfig, 'RETENTION_POLL_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#work = new Periodic('retention', config.RETENTION_POLL_MS, log, () => this.pass(new Date()));
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** One batch of each kind for each tenant; true when a full one says that there is more. */
  async pass(now: Date, limit = perBatch): Promise<boolean> {
    const tenants = await this.transact(tenantsWithData);
    const chores: Chore[] = [
      { table: 'calls', what: 'redacted', batch: (tx) => eraseEnded(tx, now, limit) },
      { table: 'erased_calls', what: 'redacted', batch: (tx) => lookAgain(tx, now, limit) },
      ...tenants.flatMap((tenant) => this.#choresOf(tenant, now, limit)),
    ];
    let more = false;
    for (const chore of chores) more = (await this.#do(chore)) >= limit || more;
    return more;
  }

  #choresOf(tenant: string, now: Date, limit: number): Chore[] {
    const { bodies, messages } = this.tenants.byName(tenant)?.retention ?? defaultRetention;
    const texts = before(bodies, now);
    const all = before(messages, now);
    const deleted = (table: Chore['table'], batch: Chore['batch']): Chore => ({ table, what: 'deleted', batch });
    return [
      { table: 'calls', what: 'redacted', batch: (tx) => redactCalls(tx, tenant, texts, limit) },
      deleted('calls', (tx) => deleteCalls(tx, tenant, all, limit)),
      deleted('call_facts', (tx) => deleteFacts(tx, tenant, all, limit)),
      deleted('conferences', (tx) => deleteConferences(tx, tenant, all, limit)),
      deleted('recordings', (tx) => deleteRecordings(tx, tenant, all, limit)),
    ];
  }

  async #do({ table, what, batch }: Chore): Promise<number> {
    const rows = await this.transact(async (tx) => ((await isAlone(tx, 'retention')) ? batch(tx) : 0));
    retained.inc({ table, what }, rows);
    return rows;
  }
}

const before = (period: string, now: Date) =>
  DateTime.fromJSDate(now, { zone: 'utc' }).minus(Duration.fromISO(period)).toJSDate();
