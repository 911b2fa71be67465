export type { SqlType } from './array.ts';
export { columns, type Columns, type ColumnTypes, type ColumnValues } from './columns.ts';
export { createDataSource, type DatabaseSettings, type MigrationClass } from './data-source.ts';
export { DatabaseProbe } from './database-probe.ts';
export { failpoints } from './failpoint.ts';
export { cleanText, jsonb } from './json.ts';
export { migrate } from './migrate.ts';
export { outboxMigration } from './outbox.migration.ts';
export { EventTooLarge, Outbox, type OutgoingEvent } from './outbox.ts';
export { OutboxRelay, type OutboxRelayOptions, type RelayLogger } from './outbox-relay.ts';
export {
  onCommit,
  run,
  runAlone,
  type RunAlone,
  runPrepared,
  send,
  transactor,
  type Transact,
  type Transaction,
} from './transaction.ts';
export { isTransient } from './transient.ts';
export { sendAll, type Write, writeAll } from './write.ts';
