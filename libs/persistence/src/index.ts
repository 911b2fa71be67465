export { columns, type Columns, type ColumnTypes, type ColumnValues, type SqlType } from './columns.ts';
export { createDataSource, type DatabaseSettings, type MigrationClass } from './data-source.ts';
export { cleanText, jsonb } from './json.ts';
export { migrate } from './migrate.ts';
export { outboxMigration } from './outbox.migration.ts';
export { EventTooLarge, Outbox, type OutgoingEvent } from './outbox.ts';
export { OutboxRelay, type OutboxRelayOptions, type RelayLogger } from './outbox-relay.ts';
export { run, runPrepared, transactor, type Transact, type Transaction } from './transaction.ts';
export { isTransient } from './transient.ts';
