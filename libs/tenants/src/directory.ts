import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Logger, counter } from '@signalbox/telemetry';
import type { Scope, Tenant } from './schema.ts';
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
}

/** Editors and Kubernetes' symlink swap write in several steps; a reload waits until they are done. */
const settleMs = 100;

/** The tenants as the file last said them in full; lookups never see a half-read file. */
export class TenantDirectory {
  #snapshot: Snapshot;
  #directories: ReadonlySet<string>;
  readonly #watchers = new Map<string, FSWatcher>();
  #settle: NodeJS.Timeout | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    readonly file: string,
    content: TenantFile,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.#snapshot = index(content.tenants);
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

  /** Looks the token up by its hash, so the time taken says nothing about stored tokens. */
  byApiToken(bearer: string): AuthorizedToken | undefined {
    return this.#snapshot.byTokenHash.get(createHash('sha256').update(bearer).digest('hex'));
  }

  /** Reloads when the file or a `file:` secret changes. A bad file is logged and counted, and the old one stays. */
  watch(log: Logger): void {
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
    const { tenants, directories } = await readTenantFile(this.file, this.env);
    const kept = tenants.map((tenant) => {
      const old = this.byName(tenant.name);
      return old && isDeepStrictEqual(old, tenant) ? old : tenant;
    });
    this.#directories = directories;
    if (kept.length === this.#snapshot.byName.size && kept.every((tenant) => this.byName(tenant.name) === tenant))
      return false;
    this.#snapshot = index(kept);
    return true;
  }
}

/**
 * Reads the tenant file.
 * @throws TenantFileError naming every fault at once
 */
export async function loadTenants(file: string, env: NodeJS.ProcessEnv = process.env): Promise<TenantDirectory> {
  return new TenantDirectory(file, await readTenantFile(file, env), env);
}

function index(tenants: readonly Tenant[]): Snapshot {
  return {
    byName: new Map(tenants.map((tenant) => [tenant.name, tenant])),
    byAccountSid: new Map(tenants.map((tenant) => [tenant.twilio.accountSid, tenant])),
    byTokenHash: new Map(
      tenants.flatMap((tenant) =>
        tenant.apiTokens.map(({ name, sha256, scopes }) => [sha256, { tenant, name, scopes }] as const),
      ),
    ),
  };
}
