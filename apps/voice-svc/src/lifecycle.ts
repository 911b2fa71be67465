import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Dispatcher, reportDue } from '@signalbox/outbound';
import { DataSource } from 'typeorm';
import { Pricing } from './facts/pricing.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { RecordingKeeper } from './recordings/keeper.ts';
import { Retention } from './retention/retention.ts';

/** Starts what works in the background, and stops it in the order in which one needs the other. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(Dispatcher) private readonly dispatcher: Dispatcher,
    @Inject(Reconciler) private readonly reconciler: Reconciler,
    @Inject(Pricing) private readonly pricing: Pricing,
    @Inject(RecordingKeeper) private readonly keeper: RecordingKeeper,
    @Inject(Retention) private readonly retention: Retention,
  ) {}

  onApplicationBootstrap(): void {
    reportDue(this.dataSource, 'calls', 'signalbox_calls_due');
    this.dispatcher.start();
    this.reconciler.start();
    this.pricing.start();
    this.keeper.start();
    this.retention.start();
  }

  /** HTTP and the Kafka consumer have stopped by now, what all of this stands on has not. */
  async onApplicationShutdown(): Promise<void> {
    await this.retention.stop();
    await this.keeper.stop();
    await this.pricing.stop();
    await this.reconciler.stop();
    await this.dispatcher.stop();
  }
}
