import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateMessages1764000001000 } from './0001-messages.migration.ts';
import { AddFallback1764000004000 } from './0004-fallback.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [outboxMigration, CreateMessages1764000001000, AddFallback1764000004000];
