import pg from 'pg';

/** As TypeORM says it. */
const begin = 'START TRANSACTION';

/**
 * Sends each statement at once, behind those whose answers are still under way, and waits for none to begin a transaction: the
 * server runs them one after the other all the same, and refuses what follows a failure until the rollback.
 */
export class PipelinedClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, pipeline: true });
    const query = this.query.bind(this) as (...args: unknown[]) => Promise<pg.QueryResult>;
    const queryOrBegin = (...args: unknown[]): unknown => {
      const answer = query(...args);
      if (args[0] !== begin) return answer;
      // Without a transaction each statement would stand for itself: then there is to be no connection either.
      answer.catch((error: Error) => this.connection.stream.destroy(error));
      return Promise.resolve(begun);
    };
    this.query = queryOrBegin as typeof this.query;
  }
}

const begun = { command: 'START', rowCount: null, rows: [] };
