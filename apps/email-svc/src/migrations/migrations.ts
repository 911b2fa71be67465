import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateEmails1764000001000 } from './0001-emails.migration.ts';
import { CreateInbound1764000002000 } from './0002-inbound.migration.ts';
import { CreateSuppressions1764000003000 } from './0003-suppression.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [
  outboxMigration,
  CreateEmails1764000001000,
  CreateInbound1764000002000,
  CreateSuppressions1764000003000,
];
