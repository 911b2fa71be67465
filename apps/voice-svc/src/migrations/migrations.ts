import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateCalls1764000001000 } from './0001-calls.migration.ts';
import { CreateFlows1764000002000 } from './0002-flows.migration.ts';
import { CreateFacts1764000003000 } from './0003-facts.migration.ts';
import { CreateRecordings1764000004000 } from './0004-recordings.migration.ts';
import { AddRetention1764000005000 } from './0005-retention.migration.ts';
import { OneRowACall1764000006000 } from './0006-one-row-a-call.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [
  outboxMigration,
  CreateCalls1764000001000,
  CreateFlows1764000002000,
  CreateFacts1764000003000,
  CreateRecordings1764000004000,
  AddRetention1764000005000,
  OneRowACall1764000006000,
];
