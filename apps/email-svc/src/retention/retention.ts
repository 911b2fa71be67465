import { Inject, Injectable } from '@nestjs/common';
import type { BlobStore } from '@signalbox/blob-store';
import { isAlone, Periodic, TRANSACT } from '@signalbox/domain-service';
import type { Transact, Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import { deleteInbound, redactInbound } from '../inbound/inbound.store.ts';
import { retained } from '../metrics.ts';
import { BLOBS } from './blobs.ts';
import { cutoffsOf } from './retention.rules.ts';
import {
  deleteBlobs,
  deleteEmails,
  endOutlived,
  redactEmails,
  settleDeferred,
  tenantsWithData,
} from './retention.store.ts';

/** Rows of one transaction: locks and bloat stay small, and a batch is over in a few milliseconds. */
const perBatch = 500;

interface Chore {
  readonly table: 'emails' | 'inbound_emails' | 'blobs';
  readonly what: 'redacted' | 'deleted' | 'ended';
  /** Does a batch; returns its rows. */
  readonly batch: (tx: Transaction) => Promise<number>;
}

/** Takes out what a tenant no longer wants to keep, by the periods of its `retention`, batch by batch. */
@Injectable()
export class Retention {
  readonly #transact: Transact;
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #blobs: Pick<BlobStore, 'delete'> | null;
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: Pick<TenantDirectory, 'byName'>,
    @Inject(BLOBS) blobs: Pick<BlobStore, 'delete'> | null,
    @Inject(CONFIG) config: Pick<EmailConfig, 'SWEEP_POLL_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#blobs = blobs;
    this.#work = new Periodic('retention', config.SWEEP_POLL_MS, log, () => this.pass(new Date()));
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
    const chores: Chore[] = [
      { table: 'emails', what: 'redacted', batch: (tx) => settleDeferred(tx, now, limit) },
      ...tenants.flatMap((tenant) => this.#choresOf(tenant, now, limit)),
      { table: 'blobs', what: 'deleted', batch: (tx) => this.#deleteBlobs(tx, limit) },
    ];
    let more = false;
    for (const chore of chores) more = (await this.#do(chore)) >= limit || more;
    // Looks through all that is past its time, so only once little of it is left; what it ends is deleted next.
    for (const tenant of more ? [] : tenants) more = (await this.#do(this.#endingOf(tenant, now, limit))) > 0 || more;
    return more;
  }

  #choresOf(tenant: string, now: Date, limit: number): Chore[] {
    const { bodies, messages } = cutoffsOf(this.#tenants.byName(tenant)?.retention, now);
    return [
      { table: 'emails', what: 'redacted', batch: (tx) => redactEmails(tx, tenant, bodies, limit) },
      { table: 'emails', what: 'deleted', batch: (tx) => deleteEmails(tx, tenant, messages, limit) },
      { table: 'inbound_emails', what: 'redacted', batch: (tx) => redactInbound(tx, tenant, bodies, limit) },
      { table: 'inbound_emails', what: 'deleted', batch: (tx) => deleteInbound(tx, tenant, messages, limit) },
    ];
  }

  #endingOf(tenant: string, now: Date, limit: number): Chore {
    const { messages } = cutoffsOf(this.#tenants.byName(tenant)?.retention, now);
    return { table: 'emails', what: 'ended', batch: (tx) => endOutlived(tx, tenant, messages, now, limit) };
  }

  /** Without access to the store webhook-ingest deletes them by their age, and nothing needs to be remembered. */
  #deleteBlobs(tx: Transaction, limit: number): Promise<number> {
    const blobs = this.#blobs;
    return deleteBlobs(tx, limit, async (key) => blobs?.delete(key));
  }

  async #do({ table, what, batch }: Chore): Promise<number> {
    const rows = await this.#transact(async (tx) => ((await isAlone(tx, 'retention')) ? batch(tx) : 0));
    retained.inc({ table, what }, rows);
    return rows;
  }
}
