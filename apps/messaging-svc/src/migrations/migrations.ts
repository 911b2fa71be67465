import { type MigrationClass, outboxMigration } from '@signalbox/persistence';
import { CreateMessages1764000001000 } from './0001-messages.migration.ts';
import { AddQuotas1764000002000 } from './0002-quota.migration.ts';
import { CreateSuppressions1764000003000 } from './0003-suppression.migration.ts';
import { AddFallback1764000004000 } from './0004-fallback.migration.ts';
import { AddContent1764000005000 } from './0005-content.migration.ts';
import { AddAnalytics1764000006000 } from './0006-analytics.migration.ts';
import { SpeedUp1764000007000 } from './0007-speed.migration.ts';
import { AddRunningAnalytics1764000009000 } from './0009-analytics-running.migration.ts';
import { KeyUnmatchedByTenant1764000010000 } from './0010-unmatched.migration.ts';
import { KeyAttemptsByTenant1764000011000 } from './0011-attempts-by-tenant.migration.ts';

/** In the order of the timestamps that end their names. */
export const migrations: MigrationClass[] = [
  outboxMigration,
  CreateMessages1764000001000,
  AddQuotas1764000002000,
  CreateSuppressions1764000003000,
  AddFallback1764000004000,
  AddContent1764000005000,
  AddAnalytics1764000006000,
  SpeedUp1764000007000,
  AddRunningAnalytics1764000009000,
  KeyUnmatchedByTenant1764000010000,
  KeyAttemptsByTenant1764000011000,
];
