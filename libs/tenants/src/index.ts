export { loadTenants, TenantDirectory, type AuthorizedToken } from './directory.ts';
export { type ApiToken, type Scope, type Tenant, scopes } from './schema.ts';
export { TenantFileError } from './tenant-file.ts';
