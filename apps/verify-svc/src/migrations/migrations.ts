import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateVerifications1764000001000 } from './0001-verifications.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [outboxMigration, CreateVerifications1764000001000];
