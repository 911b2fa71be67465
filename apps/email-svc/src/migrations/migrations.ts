import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateEmails1764000001000 } from './0001-emails.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [outboxMigration, CreateEmails1764000001000];
