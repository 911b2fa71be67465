import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT, isAlone } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import { TenantDirectory } from '@signalbox/tenants';
import type { Logger } from '@signalbox/telemetry';
import { dailyKeptMs, hourlyKeptMs } from '../analytics/errors.rules.ts';
import { CONFIG, type MessagingConfig } from '../config.ts';
import { retained } from '../metrics.ts';
import { cutoffsOf } from './retention.rules.ts';
import {
  deleteMessages,
  deleteOld,
  deleteOldestPeriod,
  redactInbound,
  redactMessages,
  settleDeferred,
  tenantsWithData,
} from './retention.store.ts';

/** Rows of one transaction: locks and bloat stay small, and a batch is over in a few milliseconds. */
const perBatch = 1_000;

interface Chore {
  readonly table: string;
  readonly what: 'redacted' | 'deleted';
  /** Does a batch; returns its rows. */
  readonly batch: (tx: Transaction) => Promise<number>;
}

/** Takes out what a tenant no longer wants to keep, batch by batch. */
@Injectable()
export class Retention {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: Pick<MessagingConfig, 'RETENTION_POLL_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
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
    const tenants = await this.#transact(tenantsWithData);
    const chores = [
      { table: 'messages', what: 'redacted', batch: (tx) => settleDeferred(tx, limit) } satisfies Chore,
      ...tenants.flatMap((tenant) => this.#choresOf(tenant, now, limit)),
    ];
    let more = false;
    for (const chore of chores) more = (await this.#do(chore)) >= limit || more;
    return more;
  }

  #choresOf(tenant: string, now: Date, limit: number): Chore[] {
    const { bodies, messages } = cutoffsOf(this.#tenants.byName(tenant)?.retention, now);
    const hours = new Date(now.getTime() - hourlyKeptMs);
    const days = new Date(now.getTime() - dailyKeptMs);
    const redacted = (table: string, batch: Chore['batch']): Chore => ({ table, what: 'redacted', batch });
    const deleted = (table: string, batch: Chore['batch']): Chore => ({ table, what: 'deleted', batch });
    return [
      redacted('messages', (tx) => redactMessages(tx, tenant, bodies, limit)),
      redacted('inbound_messages', (tx) => redactInbound(tx, tenant, bodies, limit)),
      deleted('messages', (tx) => deleteMessages(tx, tenant, messages, limit)),
      deleted('inbound_messages', (tx) => deleteOld(tx, 'inbound_messages', tenant, messages, limit)),
      deleted('conversations', (tx) => deleteOld(tx, 'conversations', tenant, messages, limit)),
      deleted('unmatched_callbacks', (tx) => deleteOld(tx, 'unmatched_callbacks', tenant, bodies, limit)),
      deleted('analytics_hourly', (tx) => deleteOldestPeriod(tx, 'analytics_hourly', tenant, hours)),
      deleted('analytics_daily', (tx) => deleteOldestPeriod(tx, 'analytics_daily', tenant, days)),
    ];
  }

  async #do({ table, what, batch }: Chore): Promise<number> {
    const rows = await this.#transact(async (tx) => ((await isAlone(tx, 'retention')) ? batch(tx) : 0));
    retained.inc({ table, what }, rows);
    return rows;
  }
}
