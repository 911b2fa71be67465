import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { defaultRetention, TenantDirectory } from '@signalbox/tenants';
import { DateTime, Duration } from 'luxon';
import { CONFIG, type EmailConfig } from '../config.ts';
import { deleteInbound, redactInbound, tenantsOfInbound } from './inbound.store.ts';

/** Rows of one transaction. */
const perPass = 500;

/** Takes out what a tenant no longer wants to keep of received emails, by the periods of its `retention`. */
@Injectable()
export class InboundRetention {
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
    @Inject(CONFIG) config: Pick<EmailConfig, 'SWEEP_POLL_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#work = new Periodic('retention of received emails', config.SWEEP_POLL_MS, log, () => this.pass(new Date()));
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** True when there is more to do at once. */
  async pass(now: Date): Promise<boolean> {
    let more = false;
    for (const tenant of await this.transact(tenantsOfInbound)) {
      const { bodies, messages } = this.tenants.byName(tenant)?.retention ?? defaultRetention;
      const deleted = await this.transact((tx) => deleteInbound(tx, tenant, before(messages, now), perPass));
      const redacted = await this.transact((tx) => redactInbound(tx, tenant, before(bodies, now), perPass));
      more ||= deleted >= perPass || redacted >= perPass;
    }
    return more;
  }
}

const before = (period: string, now: Date) =>
  DateTime.fromJSDate(now, { zone: 'utc' }).minus(Duration.fromISO(period)).toJSDate();
