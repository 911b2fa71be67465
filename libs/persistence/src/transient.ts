import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';

// SQLSTATEs that say the database could not, not that the statement was wrong. Source: PostgreSQL manual, appendix A.

/** Whole classes: the first two characters of the code. */
const transientClasses = new Set([
  '08', // connection exception
  '28', // invalid authorization: credentials are being rotated; a batch must not be dead-lettered for that
  '53', // insufficient resources: too_many_connections, disk_full, out_of_memory
]);

const transientStates = new Set([
  '3D000', // the database is not there (yet)
  '25006', // read-only transaction: connected to a standby during a failover
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '40001', // serialization_failure
  '40003', // statement_completion_unknown
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '58030', // io_error
]);

const transientNetwork = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** pg and pg-pool raise these as bare `Error`s, without a code. */
const transientMessages = new Set([
  'Connection terminated',
  'Connection terminated due to connection timeout',
  'Connection terminated unexpectedly',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
]);

/**
 * Whether the same work can succeed when it is tried again: connection lost, server restarting or full, deadlock, lock
 * or statement timeout. Looks through wrappers (TypeORM's `driverError`, `cause`, `AggregateError`).
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, driverError, cause } = error as Error & { code?: unknown; driverError?: unknown };
  if (typeof code === 'string' && isTransientCode(code)) return true;
  if (transientMessages.has(error.message) || isReleased(error)) return true;
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return [driverError, cause, ...inner].some(isTransient);
}

/** TypeORM releases the query runner when the connection drops between two statements: the next one, or the commit, fails with this. */
function isReleased(error: Error): boolean {
  return error instanceof QueryRunnerAlreadyReleasedError || error instanceof QueryRunnerProviderAlreadyReleasedError;
}

function isTransientCode(code: string): boolean {
  if (transientNetwork.has(code) || transientStates.has(code)) return true;
  return code.length === 5 && transientClasses.has(code.slice(0, 2));
}
