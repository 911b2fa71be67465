import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateVerifications1764000001000 } from './0001-verifications.migration.ts';
import { AddGuard1764000002000 } from './0002-guard.migration.ts';
import { AddTotp1764000003000 } from './0003-totp.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [
  outboxMigration,
  CreateVerifications1764000001000,
  AddGuard1764000002000,
  AddTotp1764000003000,
];
