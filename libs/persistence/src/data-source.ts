import { Socket } from 'node:net';
import type pg from 'pg';
import { AbstractLogger, DataSource, type DataSourceOptions, type MigrationInterface, type MixedList } from 'typeorm';
import { PipelinedClient } from './pipelined-client.ts';
import { readTimesFast } from './timestamptz.ts';

export interface DatabaseSettings {
  /** `postgres://user:password@host:port/database`, with `?sslmode=…` where needed. */
  readonly url: string;
  readonly entities?: DataSourceOptions['entities'];
  /** Migration classes, in any order: the 13-digit timestamp that ends their name decides. */
  readonly migrations?: MixedList<MigrationClass>;
  /** Shown in `pg_stat_activity`; the service's name. */
  readonly applicationName: string;
  /** Connections of the pool; the outbox relay and `DatabaseProbe` hold one more each. */
  readonly poolSize?: number;
  /** Milliseconds a statement may take before Postgres cancels it (57014). */
  readonly statementTimeoutMs?: number;
  /**
   * Statements are planned once, without a look at their parameters. For a service whose batches are small: the planner takes
   * the true length of each array for a reason to plan anew every time, which costs more than the statement.
   */
  readonly genericPlans?: boolean;
  /**
   * Statements are sent without waiting for the answers to those before them: begin and what is asked first are one round trip,
   * as are what is asked together (`Promise.all`) and what is sent last (`send`, `sendAll`) with the commit.
   */
  readonly pipelined?: boolean;
  /** Told when Postgres drops an idle pooled connection; the pool replaces it by itself. */
  readonly onConnectionLost?: (error: Error) => void;
}

export type MigrationClass = new () => MigrationInterface;

/** TypeORM prints some failures to the console even with logging off; all of them are thrown as well. */
class SilentLogger extends AbstractLogger {
  protected override writeLog(): void {}
}

/** A data source on Postgres, not initialised yet. It never changes the schema: that is what `migrate` is for. */
export function createDataSource(settings: DatabaseSettings): DataSource {
  readTimesFast();
  const statementTimeoutMs = settings.statementTimeoutMs ?? 30_000;
  const session: pg.PoolConfig = {
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    ...(settings.genericPlans && { options: '-c plan_cache_mode=force_generic_plan' }),
    ...(settings.pipelined && { Client: PipelinedClient }),
    stream: () => impatientSocket(statementTimeoutMs + graceMs),
    // A transaction abandoned by a stuck process must not hold row locks against the other replicas.
    idle_in_transaction_session_timeout: 60_000,
  };
  return new DataSource({
    type: 'postgres',
    url: settings.url,
    entities: settings.entities ?? [],
    migrations: settings.migrations ?? [],
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    applicationName: settings.applicationName,
    poolSize: settings.poolSize ?? 10,
    poolErrorHandler: (error: Error) => settings.onConnectionLost?.(error),
    synchronize: false,
    installExtensions: false,
    logger: new SilentLogger(),
    extra: session,
  });
}

/** For a canceled statement's error to arrive. */
const graceMs = 5_000;

/**
 * A server that vanishes without a word (its machine died, the network is cut) would be waited for until the kernel gives up,
 * a quarter of an hour. It ends every statement in time, so one that stays silent for longer is gone; an idle connection is
 * closed by the pool before that.
 */
function impatientSocket(silenceMs: number): Socket {
  const socket = new Socket();
  return socket.setTimeout(silenceMs, () => {
    socket.destroy(Object.assign(new Error('no answer from the database'), { code: 'ETIMEDOUT' }));
  });
}

/** How to open a session of one's own, outside the pool, on the database of `dataSource`. */
export function sessionConfig(dataSource: DataSource, purpose: string): pg.ClientConfig {
  const options = dataSource.options;
  if (options.type !== 'postgres' || !options.url) throw new TypeError('the data source is not from createDataSource');
  return {
    ...(options.extra as pg.ClientConfig),
    // It may have nothing to say for long, and sets time limits of its own.
    stream: undefined,
    connectionString: options.url,
    application_name: `${options.applicationName ?? 'signalbox'} ${purpose}`,
  };
}
