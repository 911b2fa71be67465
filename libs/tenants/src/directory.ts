import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Logger, counter } from '@signalbox/telemetry';
import { checkJwt, type KnownIssuer, knownIssuer, type TokenRefusal } from './oidc/jwt-check.ts';
import type { OidcIssuer } from './oidc/issuer.ts';
import type { Tenant } from './schema.ts';
import type { Scope } from './scopes.ts';
import { readTenantFile, type TenantFile } from './tenant-file.ts';

export interface AuthorizedToken {
  readonly tenant: Tenant;
  readonly name: string;
  readonly scopes: readonly Scope[];
}

interface Snapshot {
  readonly byName: ReadonlyMap<string, Tenant>;
  readonly byAccountSid: ReadonlyMap<string, Tenant>;
  readonly byTokenHash: ReadonlyMap<string, AuthorizedToken>;
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
}

/** Editors and Kubernetes' symlink swap write in several steps; a reload waits until they are done. */
const settleMs = 100;

/** The tenants as the file last said them in full; lookups never see a half-read file. */
export class TenantDirectory {
  #snapshot: Snapshot;
  #directories: ReadonlySet<string>;
  readonly #watchers = new Map<string, FSWatcher>();
  #settle: NodeJS.Timeout | undefined;
  #log: Logger | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    readonly file: string,
    content: TenantFile,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.#snapshot = this.#index(content.tenants, content.issuers, new Map());
    this.#directories = content.directories;
  }

  get all(): Tenant[] {
    return [...this.#snapshot.byName.values()];
  }

  byName(name: string): Tenant | undefined {
    return this.#snapshot.byName.get(name);
  }

  byAccountSid(accountSid: string): Tenant | undefined {
    return this.#snapshot.byAccountSid.get(accountSid);
  }

  /**
   * Whose token it is: one of ours, looked up by its hash, so that the time taken says nothing about stored tokens; or a JWT of
   * a configured issuer. Undefined when it is neither.
   */
  async byApiToken(bearer: string): Promise<AuthorizedToken | TokenRefusal | undefined> {
    const { byTokenHash, issuers } = this.#snapshot;
    const own = byTokenHash.get(createHash('sha256').update(bearer).digest('hex'));
    if (own) return own;
    const checked = await checkJwt(bearer, issuers);
    if (!checked || 'refused' in checked) return checked;
    const tenant = this.byName(checked.tenant);
    return tenant && { ...checked, tenant };
  }

  /** Reloads when the file or a `file:` secret changes. A bad file is logged and counted, and the old one stays. */
  watch(log: Logger): void {
    this.#log = log;
    // The directory, not the file: Kubernetes replaces a mounted Secret by renaming a symlink beside it.
    for (const directory of this.#directories) {
      if (this.#watchers.has(directory)) continue;
      const watcher = watch(directory, { persistent: false }, () => this.#scheduleReload(log));
      watcher.on('error', (error) => log.error({ err: error, directory }, 'tenant file is no longer watched'));
      this.#watchers.set(directory, watcher);
    }
  }

  close(): void {
    clearTimeout(this.#settle);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #scheduleReload(log: Logger): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#reloading = this.#reloading.then(() => this.#reloadWatched(log));
    }, settleMs);
  }

  async #reloadWatched(log: Logger): Promise<void> {
    const reloads = counter('signalbox_tenants_reload_total', 'Reloads of the tenant file', ['result']);
    try {
      if (!(await this.reload())) return;
      if (this.#watchers.size > 0) this.watch(log);
      reloads.inc({ result: 'ok' });
      log.info({ file: this.file, tenants: this.#snapshot.byName.size }, 'tenants reloaded');
    } catch (error) {
      reloads.inc({ result: 'failed' });
      log.error({ err: error, file: this.file }, 'tenants not reloaded, the old ones stay');
    }
  }

  /**
   * Reads the file again; false when it says what it said before.
   * @throws TenantFileError, and keeps the old tenants
   */
  async reload(): Promise<boolean> {
    const { tenants, issuers, directories } = await readTenantFile(this.file, this.env);
    const kept = tenants.map((tenant) => {
      const old = this.byName(tenant.name);
      return old && isDeepStrictEqual(old, tenant) ? old : tenant;
    });
    this.#directories = directories;
    const old = this.#snapshot;
    const next = this.#index(kept, issuers, old.issuers);
    const isSame = isSameMap(next.byName, old.byName) && isSameMap(next.issuers, old.issuers);
    if (!isSame) this.#snapshot = next;
    return !isSame;
  }

  /** An issuer that is configured as before keeps the keys that were fetched for it. */
  #index(
    tenants: readonly Tenant[],
    issuers: readonly OidcIssuer[],
    known: ReadonlyMap<string, KnownIssuer>,
  ): Snapshot {
    return {
      byName: new Map(tenants.map((tenant) => [tenant.name, tenant])),
      byAccountSid: new Map(tenants.map((tenant) => [tenant.twilio.accountSid, tenant])),
      byTokenHash: new Map(
        tenants.flatMap((tenant) =>
          tenant.apiTokens.map(({ name, sha256, scopes }) => [sha256, { tenant, name, scopes }] as const),
        ),
      ),
      issuers: new Map(
        issuers.map((issuer) => {
          const old = known.get(issuer.issuer);
          return [
            issuer.issuer,
            old && isDeepStrictEqual(old.config, issuer) ? old : knownIssuer(issuer, () => this.#log),
          ];
        }),
      ),
    };
  }
}

/**
 * Reads the tenant file.
 * @throws TenantFileError naming every fault at once
 */
export async function loadTenants(file: string, env: NodeJS.ProcessEnv = process.env): Promise<TenantDirectory> {
  return new TenantDirectory(file, await readTenantFile(file, env), env);
}

function isSameMap<Value>(one: ReadonlyMap<string, Value>, other: ReadonlyMap<string, Value>): boolean {
  return one.size === other.size && [...one].every(([name, value]) => other.get(name) === value);
}
