import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Dispatcher, reportDue } from '@signalbox/outbound';
import { DataSource } from 'typeorm';
import { Doubts } from './dispatch/doubts.ts';
import { InboundRetention } from './inbound/inbound-retention.ts';
import { Rejoin } from './progress/rejoin.ts';
import { SuppressionSync } from './suppression/suppression-sync.ts';

/** Starts what works in the background, and stops it in the order in which one needs the other. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(Dispatcher) private readonly dispatcher: Dispatcher,
    @Inject(Doubts) private readonly doubts: Doubts,
    @Inject(Rejoin) private readonly rejoin: Rejoin,
    @Inject(SuppressionSync) private readonly suppressionSync: SuppressionSync,
    @Inject(InboundRetention) private readonly inboundRetention: InboundRetention,
  ) {}

  onApplicationBootstrap(): void {
    reportDue(this.dataSource, 'emails', 'signalbox_emails_due');
    this.dispatcher.start();
    this.doubts.start();
    this.rejoin.start();
    this.suppressionSync.start();
    this.inboundRetention.start();
  }

  /** HTTP and the Kafka consumer have stopped by now, what all of this stands on has not. */
  async onApplicationShutdown(): Promise<void> {
    await this.inboundRetention.stop();
    await this.suppressionSync.stop();
    await this.rejoin.stop();
    await this.doubts.stop();
    await this.dispatcher.stop();
  }
}
