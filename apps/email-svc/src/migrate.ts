import { migrateDatabase } from '@signalbox/domain-service';
import { migrations } from './migrations/migrations.ts';

await migrateDatabase('email-svc', migrations);
