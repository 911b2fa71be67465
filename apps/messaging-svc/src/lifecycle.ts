import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { EventProducer } from '@signalbox/kafka';
import { OutboxRelay } from '@signalbox/persistence';
import { Health } from '@signalbox/service';
import { TenantDirectory } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { Analytics } from './analytics/analytics.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { reportDue } from './dispatch/due.metric.ts';
import { Fallback } from './fallback/fallback.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { Retention } from './retention/retention.ts';

/** To inject the Kafka client. */
export const KAFKA = Symbol('kafka');

/** Starts what works in the background, and stops it in the order in which one needs the other. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(Health) private readonly health: Health,
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(EventProducer) private readonly producer: EventProducer,
    @Inject(OutboxRelay) private readonly relay: OutboxRelay,
    @Inject(Dispatcher) private readonly dispatcher: Dispatcher,
    @Inject(Reconciler) private readonly reconciler: Reconciler,
    @Inject(Fallback) private readonly fallback: Fallback,
    @Inject(Analytics) private readonly analytics: Analytics,
    @Inject(Retention) private readonly retention: Retention,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
  ) {}

  onApplicationBootstrap(): void {
    this.health.register('postgres', async () => void (await this.dataSource.query('select 1')));
    reportDue(this.dataSource);
    this.relay.start();
    this.dispatcher.start();
    this.reconciler.start();
    this.fallback.start();
    this.analytics.start();
    this.retention.start();
  }

  /** HTTP and the Kafka consumer have stopped by now: nothing new comes in. */
  async onApplicationShutdown(): Promise<void> {
    this.tenants.close();
    await this.retention.stop();
    await this.analytics.stop();
    await this.fallback.stop();
    await this.reconciler.stop();
    await this.dispatcher.stop();
    await this.relay.stop();
    await this.producer.disconnect();
    await this.dataSource.destroy();
  }
}
