export { isAlone } from './alone.ts';
export { databaseUrl, type DomainConfig, domainConfig, milliseconds } from './config.ts';
export { requestDigest } from './digest.ts';
export { newestFirst, type Page, type PageQuery } from './keyset.ts';
export { migrateDatabase } from './migrate.ts';
export { KAFKA, TRANSACT } from './module.ts';
export { Periodic } from './periodic.ts';
export { domainService, type DomainServiceOptions } from './service.ts';
export { WakeUp } from './wake-up.ts';
