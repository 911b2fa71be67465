import { createDataSource, migrate, type MigrationClass } from '@signalbox/persistence';
import { readConfig } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { z } from 'zod';
import { databaseUrl } from './config.ts';

/** All that the process of `dist/migrate.js` does: brings the database at DATABASE_URL up to date; exit code 1 when it cannot. */
export async function migrateDatabase(service: string, migrations: MigrationClass[]): Promise<void> {
  const logger = createLogger(service);
  try {
    const { DATABASE_URL: url } = readConfig(z.object({ DATABASE_URL: databaseUrl }), process.env);
    const applied = await migrate(createDataSource({ url, migrations, applicationName: `${service} migrate` }));
    logger.info({ applied }, applied.length > 0 ? 'database migrated' : 'database is up to date');
  } catch (err) {
    logger.fatal({ err }, 'database not migrated');
    process.exitCode = 1;
  }
}
