import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher, QuotaBook, reportDue } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { Deliverability } from './deliverability/deliverability.ts';
import { Doubts } from './dispatch/doubts.ts';
import { Rejoin } from './progress/rejoin.ts';
import { Retention } from './retention/retention.ts';
import { SuppressionSync } from './suppression/suppression-sync.ts';
import { reportWarmups } from './warmup/warmup.report.ts';

/** Starts what works in the background, and stops it in the order in which one needs the other. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
    @Inject(QuotaBook) private readonly quotas: QuotaBook,
    @Inject(Dispatcher) private readonly dispatcher: Dispatcher,
    @Inject(Doubts) private readonly doubts: Doubts,
    @Inject(Rejoin) private readonly rejoin: Rejoin,
    @Inject(SuppressionSync) private readonly suppressionSync: SuppressionSync,
    @Inject(Deliverability) private readonly deliverability: Deliverability,
    @Inject(Retention) private readonly retention: Retention,
  ) {}

  onApplicationBootstrap(): void {
    reportDue(this.dataSource, 'emails', 'signalbox_emails_due');
    reportWarmups(this.transact, this.tenants, this.quotas);
    this.dispatcher.start();
    this.doubts.start();
    this.rejoin.start();
    this.suppressionSync.start();
    this.deliverability.start();
    this.retention.start();
  }

  /** HTTP and the Kafka consumer have stopped by now, what all of this stands on has not. */
  async onApplicationShutdown(): Promise<void> {
    await this.retention.stop();
    await this.deliverability.stop();
    await this.suppressionSync.stop();
    await this.rejoin.stop();
    await this.doubts.stop();
    await this.dispatcher.stop();
  }
}
