import { createDataSource, migrate } from '@signalbox/persistence';
import { readConfig } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { z } from 'zod';
import { databaseUrl } from './config.ts';
import { migrations } from './migrations/migrations.ts';

const logger = createLogger('messaging-svc');
try {
  const { DATABASE_URL: url } = readConfig(z.object({ DATABASE_URL: databaseUrl }), process.env);
  const applied = await migrate(createDataSource({ url, migrations, applicationName: 'messaging-svc migrate' }));
  logger.info({ applied }, applied.length > 0 ? 'database migrated' : 'database is up to date');
} catch (err) {
  logger.fatal({ err }, 'database not migrated');
  process.exitCode = 1;
}
