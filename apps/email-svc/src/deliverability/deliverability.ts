import { Inject, Injectable } from '@nestjs/common';
import { isAlone, Periodic, TRANSACT } from '@signalbox/domain-service';
import { QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { sendgridClient } from '@signalbox/sendgrid';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import { domainChecks, reportDeliverability } from '../metrics.ts';
import { domainsInUse } from './count.store.ts';
import { checkDomain, type Dns, DNS } from './domain-check.ts';
import { domainsOfTenant } from './domain.rules.ts';
import { makeDue, noteDomains, readDomains, saveReport, type SendingDomain, takeDue } from './domain.store.ts';
import { heldBack, ratesInForce } from './deliverability.queries.ts';
import { policiesOf, type Policies, watchStreams } from './watch.ts';

/** Domains checked in one pass. */
const perPass = 20;

/** How often domains that are due are looked for, at most. */
const lookMs = 60_000;

/** When what could not be found out is tried again, at the latest. */
const againMs = 300_000;

/** Emails from a domain within so long make it one that is sent from. */
const inUseMs = 7 * 24 * 3_600_000;

/** Watches how mailbox providers take what is sent, holds streams back, and looks after the domains they come from. */
@Injectable()
export class Deliverability {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  readonly #quotas: QuotaBook;
  readonly #config: EmailConfig;
  readonly #dns: Dns;
  readonly #log: Logger;
  readonly #works: readonly Periodic[];
  readonly policies: Policies;
  #fullAt = -Infinity;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(CONFIG) config: EmailConfig,
    @Inject(DNS) names: Dns,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.policies = policiesOf(tenants);
    this.#quotas = quotas;
    this.#config = config;
    this.#dns = names;
    this.#log = log;
    this.#works = [
      new Periodic('deliverability', config.DELIVERABILITY_WATCH_MS, log, () => this.#watch()),
      new Periodic('sending domains', Math.min(config.DOMAIN_CHECK_MS, lookMs), log, () => this.#checkDue()),
    ];
  }

  start(): void {
    reportDeliverability({
      rates: () => this.#transact((tx) => ratesInForce(tx, this.policies, new Date())),
      heldBack: () => this.#transact((tx) => heldBack(tx)),
      domains: () => this.#transact((tx) => readDomains(tx)),
    });
    for (const work of this.#works) work.start();
  }

  async stop(): Promise<void> {
    const stopped = Promise.all(this.#works.map((work) => work.stop()));
    this.#dns.cancel();
    await stopped;
  }

  /** Checks the domains of a tenant now. */
  async checkNow(tenant: string): Promise<void> {
    await this.#noteDomains();
    await this.#transact((tx) => makeDue(tx, tenant));
    while (await this.#check([tenant]));
  }

  async #watch(): Promise<boolean> {
    // What time alone brings about, the easing of what is held back, need not be looked for with every count.
    const everything = performance.now() - this.#fullAt > lookMs;
    const { looked, moves, quotasChanged, more } = await this.#transact((tx) =>
      watchStreams(tx, this.policies, new Date(), everything),
    );
    if (everything && looked) this.#fullAt = performance.now();
    for (const { before, after, enforced } of moves) {
      if (before.state === after.state) continue;
      const { tenant, stream, provider, state, reason, rate, volume } = after;
      const found = { tenant, stream, provider, from: before.state, state, reason, rate, volume, enforced };
      this.#log.warn(found, 'a stream of emails is held back, or let go');
    }
    if (quotasChanged) await this.#quotas.changed();
    return more;
  }

  async #checkDue(): Promise<boolean> {
    await this.#noteDomains();
    return this.#check(this.#tenants.all.map(({ name }) => name));
  }

  async #noteDomains(): Promise<void> {
    const named = this.#tenants.all
      .filter(({ sendgrid }) => sendgrid?.apiKey)
      .flatMap((tenant) => domainsOfTenant(tenant).map((domain) => ({ tenant: tenant.name, domain })));
    await this.#transact(async (tx) => {
      if (!(await isAlone(tx, 'sending domains'))) return;
      await noteDomains(tx, [...named, ...(await domainsInUse(tx, new Date(Date.now() - inUseMs)))]);
    });
  }

  /** Whether there may be more that is due. */
  async #check(tenants: readonly string[]): Promise<boolean> {
    const due = await this.#transact((tx) => takeDue(tx, tenants, this.#config.DOMAIN_CHECK_MS, perPass));
    await Promise.all(due.map((one) => this.#checkOne(one)));
    return due.length >= perPass;
  }

  async #checkOne(one: SendingDomain): Promise<void> {
    const tenant = this.#tenants.byName(one.tenant);
    const client = tenant?.sendgrid?.apiKey
      ? sendgridClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS })
      : undefined;
    const report = await checkDomain(one.domain, client, this.#dns);
    const isPartial = report.sendgrid.verdict === 'unknown' || report.dmarc.verdict === 'unknown';
    const again = isPartial ? Math.min(againMs, this.#config.DOMAIN_CHECK_MS) : null;
    await this.#transact((tx) => saveReport(tx, one, report, again));
    domainChecks.inc({ result: isPartial ? 'unknown' : report.faults.length > 0 ? 'faulty' : 'ok' });
    if (report.faults.length > 0) {
      const faults = report.faults.map(({ code }) => code);
      this.#log.warn({ ...one, faults }, 'a domain that is sent from has faults');
    }
  }
}
