import { Inject, Injectable } from '@nestjs/common';
import type { StartVerificationCommand } from '@signalbox/contracts';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { serviceOf } from '../start/draft.ts';
import { VerifyProvider } from './provider.ts';

/** Twilio could not be asked for the SID of a service; `cause` says why, where it was tried. */
export class ServiceNotLookedUp extends Error {
  override readonly name = 'ServiceNotLookedUp';
}

interface LookUp {
  readonly at: number;
  /** Whether the service had not been looked for before. */
  readonly isFirst: boolean;
  readonly settled: Promise<void>;
  /** VA…; null when the account has none. Undefined while it is looked up, and when that failed. */
  sid?: string | null;
  error?: unknown;
}

/** What was not found is looked for again after this time. */
const againAfterMs = 10_000;

/**
 * The SIDs of services that the tenant file names without one, looked up before they are needed: a handler that holds a
 * transaction only looks here.
 */
@Injectable()
export class ServiceSids {
  /** A reload that changes a tenant makes a new object of it, whose services are looked up anew. */
  readonly #known = new WeakMap<Tenant, Map<string, LookUp>>();

  constructor(
    @Inject(VerifyProvider) private readonly provider: Pick<VerifyProvider, 'serviceSid'>,
    @Inject(TenantDirectory) private readonly tenants: Pick<TenantDirectory, 'all'>,
  ) {}

  /**
   * Resolves, and never throws, when each service has been looked for once. What was not found then is looked for again, but not
   * waited for: it must not keep the commands of others.
   */
  async lookUp(): Promise<void> {
    const first = this.tenants.all.flatMap((tenant) =>
      Object.entries(tenant.verify?.services ?? {})
        .filter(([, { sid }]) => sid === undefined)
        .flatMap(([service]) => this.#lookUp(tenant, service) ?? []),
    );
    await Promise.all(first);
  }

  /**
   * The service that a command means; null where it needs none, or where Twilio has none.
   * @throws ServiceNotLookedUp
   */
  of(tenant: Tenant, { channel, service }: Pick<StartVerificationCommand, 'channel' | 'service'>): string | null {
    const meant = channel === 'totp' ? undefined : serviceOf(tenant, service ?? null);
    if (!meant) return null;
    if (meant.sid !== undefined) return meant.sid;
    const name = service ?? tenant.verify?.defaultService ?? '';
    const found = this.#known.get(tenant)?.get(name);
    if (found?.sid !== undefined) return found.sid;
    throw new ServiceNotLookedUp(`the SID of the service ${name} of ${tenant.name} is not known yet`, {
      cause: found?.error,
    });
  }

  /** The first look-up, to be waited for. */
  #lookUp(tenant: Tenant, service: string): Promise<void> | undefined {
    const known = this.#known.get(tenant) ?? new Map<string, LookUp>();
    this.#known.set(tenant, known);
    const last = known.get(service);
    const isFound = typeof last?.sid === 'string';
    if (last && (isFound || performance.now() - last.at < againAfterMs)) return last.isFirst ? last.settled : undefined;
    const next: LookUp = {
      at: performance.now(),
      isFirst: last === undefined,
      settled: this.provider.serviceSid(tenant, { channel: 'sms', service }).then(
        (sid) => void (next.sid = sid),
        (error: unknown) => void (next.error = error),
      ),
      ...(last && { sid: last.sid, error: last.error }),
    };
    known.set(service, next);
    return last ? undefined : next.settled;
  }
}
