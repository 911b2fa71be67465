import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { DueWork } from './due/due-work.ts';
import { reportDoubts } from './metrics.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { Retention } from './retention/retention.ts';

/** Starts what works in the background, and stops it in the order in which one needs the other. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(DueWork) private readonly due: DueWork,
    @Inject(Reconciler) private readonly reconciler: Reconciler,
    @Inject(Retention) private readonly retention: Retention,
  ) {}

  onApplicationBootstrap(): void {
    reportDoubts(() => countDoubts(this.dataSource));
    this.due.start();
    this.reconciler.start();
    this.retention.start();
  }

  /** HTTP and the Kafka consumer have stopped by now, what all of this stands on has not. */
  async onApplicationShutdown(): Promise<void> {
    await this.retention.stop();
    await this.reconciler.stop();
    await this.due.stop();
  }
}

async function countDoubts(db: DataSource): Promise<number> {
  const [row] = await db.query<{ count: string }[]>(
    `select count(*) from verification_attempts where state = 'in_doubt'`,
  );
  return Number(row?.count ?? 0);
}
