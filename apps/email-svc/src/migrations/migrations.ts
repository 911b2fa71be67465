import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateEmails1764000001000 } from './0001-emails.migration.ts';
import { CreateInbound1764000002000 } from './0002-inbound.migration.ts';
import { CreateSuppressions1764000003000 } from './0003-suppression.migration.ts';
import { CreateDeliverability1764000005000 } from './0005-deliverability.migration.ts';
import { CreateWarmup1764000004000 } from './0004-warmup.migration.ts';
import { CreateRetention1764000006000 } from './0006-retention.migration.ts';
import { IndexWaitingExpiry1764000007000 } from './0007-waiting-expiry.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [
  outboxMigration,
  CreateEmails1764000001000,
  CreateInbound1764000002000,
  CreateSuppressions1764000003000,
  CreateWarmup1764000004000,
  CreateDeliverability1764000005000,
  CreateRetention1764000006000,
  IndexWaitingExpiry1764000007000,
];
