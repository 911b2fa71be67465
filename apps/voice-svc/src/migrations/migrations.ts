import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateCalls1764000001000 } from './0001-calls.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [outboxMigration, CreateCalls1764000001000];
