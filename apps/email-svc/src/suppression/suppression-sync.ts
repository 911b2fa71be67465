import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { run, type Transact, type Transaction } from '@signalbox/persistence';
import { SendgridApiError, sendgridClient } from '@signalbox/sendgrid';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { type Tenant, TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import { countSuppressions, suppressionsUntold, suppressionSyncs } from '../metrics.ts';
import { partsOf, readLists, tell } from './sendgrid-lists.ts';
import type { Suppression, SuppressionRequest } from './suppression.rules.ts';
import { applyRequests, countUntold, endTellingTurn, markTold, takeTellingTurn, untold } from './suppression.store.ts';

/** Rows of one transaction. */
const chunk = 1_000;

/** Lists are read again from a little before where the last read ended: an entry may show up late. */
const overlapSeconds = 600;

/** A change is told within seconds, so there are always some still to be told; one that has waited for so long tells of trouble. */
const overdueMs = 300_000;

/** Changes of one tenant that are told in one pass. */
const perPass = 200;

/** Calls that one part of what is told takes at the most, and one more: so long a turn lasts. */
const longestPart = 5;

/** Keeps our suppression list and SendGrid's alike: reads its lists, and tells it what was decided here. */
@Injectable()
export class SuppressionSync {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  readonly #config: EmailConfig;
  readonly #log: Logger;
  readonly #works: readonly Periodic[];
  /** This process, among those that tell. */
  readonly #holder = randomUUID();

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: EmailConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#config = config;
    this.#log = log;
    this.#works = [
      new Periodic("SendGrid's suppression lists", config.SUPPRESSION_SYNC_MS, log, () => this.#readAll()),
      new Periodic('suppressions to tell SendGrid', config.SUPPRESSION_PUSH_MS, log, () => this.tellAll()),
    ];
  }

  start(): void {
    for (const work of this.#works) work.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#works.map((work) => work.stop()));
  }

  /**
   * Reads SendGrid's lists of a tenant now; returns how many recipients were new to ours.
   * @throws SendgridApiError, SendgridTransportError; TypeError for a tenant without a key
   */
  async read(tenant: Tenant, since: number): Promise<number> {
    let added = 0;
    const lists = readLists(this.#client(tenant), tenant.name, since);
    for await (const requests of lists) {
      if (requests === 'too many members') {
        // Whoever leaves a group from now on is told by its event.
        this.#log.warn({ tenant: tenant.name }, 'the members of its groups are too many to be read');
        continue;
      }
      for (let from = 0; from < requests.length; from += chunk) {
        const part = requests.slice(from, from + chunk);
        const changes = await this.#transact((tx) => applyRequests(tx, part));
        countSuppressions(changes);
        added += changes.length;
      }
    }
    return added;
  }

  /** What SendGrid has on its lists at this moment; undefined where that is more than `limit`. */
  async listed(tenant: Tenant, limit: number): Promise<SuppressionRequest[] | undefined> {
    const found: SuppressionRequest[] = [];
    for await (const requests of readLists(this.#client(tenant), tenant.name, 0)) {
      if (requests === 'too many members') return undefined;
      for (const request of requests) found.push(request);
      if (found.length > limit) return undefined;
    }
    return found;
  }

  async #readAll(): Promise<boolean> {
    for (const tenant of this.#tenants.all) {
      if (!tenant.sendgrid?.apiKey) continue;
      const startedAt = Math.floor(Date.now() / 1000);
      const since = await this.#transact((tx) => takeTurn(tx, tenant.name, this.#config.SUPPRESSION_SYNC_MS));
      if (since === undefined) continue;
      try {
        const added = await this.read(tenant, since);
        await this.#transact((tx) => readUpTo(tx, tenant.name, Math.max(0, startedAt - overlapSeconds)));
        suppressionSyncs.inc({ direction: 'read', result: 'ok' });
        if (added > 0)
          this.#log.info({ tenant: tenant.name, added }, "recipients of SendGrid's lists were new to ours");
      } catch (error) {
        suppressionSyncs.inc({ direction: 'read', result: 'failed' });
        this.#log.warn({ err: error, tenant: tenant.name }, "SendGrid's suppression lists could not be read");
      }
    }
    return false;
  }

  /** Tells SendGrid what it has not been told; true when there is more to be told at once. */
  async tellAll(): Promise<boolean> {
    const tenants = this.#tenants.all.filter(({ sendgrid }) => sendgrid?.apiKey);
    const names = tenants.map(({ name }) => name);
    const { first, waiting } = await this.#transact(async (tx) => ({
      first: await untold(tx, names, 1),
      waiting: await countUntold(tx, names, new Date(Date.now() - overdueMs)),
    }));
    suppressionsUntold.set(waiting);
    const withChanges = new Set(first.map(({ tenant }) => tenant));
    let more = false;
    for (const tenant of tenants.filter(({ name }) => withChanges.has(name))) {
      more = (await this.#tellInTurn(tenant)) || more;
    }
    return more;
  }

  /**
   * Tells the changes of one tenant, if no other replica is at it: of two that told an opt-out and its end at once, the earlier
   * one might reach SendGrid last. True when there is more to be told at once.
   */
  async #tellInTurn(tenant: Tenant): Promise<boolean> {
    const turn = { tenant: tenant.name, holder: this.#holder, leaseMs: longestPart * this.#config.PROVIDER_TIMEOUT_MS };
    const changes = await this.#transact(async (tx) =>
      (await takeTellingTurn(tx, turn)) ? untold(tx, [tenant.name], perPass) : [],
    );
    const parts = partsOf(changes);
    for (let part = parts.shift(); part; part = parts.shift()) {
      if (!(await this.#transact((tx) => takeTellingTurn(tx, turn)))) return false;
      const result = await this.#tell(tenant, part);
      if (result === 'failed') break;
      // One of them is at fault: which one, is found out by telling each alone.
      if (result === 'refused' && part.length > 1) parts.unshift(...part.map((change) => [change]));
      else await this.#transact((tx) => markTold(tx, part));
    }
    await this.#transact((tx) => endTellingTurn(tx, turn));
    return parts.length === 0 && changes.length >= perPass;
  }

  async #tell(tenant: Tenant, changes: readonly Suppression[]): Promise<'told' | 'refused' | 'failed'> {
    try {
      await tell(this.#client(tenant), changes);
      suppressionSyncs.inc({ direction: 'tell', result: 'ok' });
      return 'told';
    } catch (error) {
      if (!isRefusal(error)) {
        suppressionSyncs.inc({ direction: 'tell', result: 'failed' });
        this.#log.warn(
          { err: error, tenant: tenant.name, changes: changes.length },
          'SendGrid could not be told of suppressions',
        );
        return 'failed';
      }
      if (changes.length > 1) return 'refused';
      // An address or a group that SendGrid does not take will not be taken next time either; ours holds without it.
      suppressionSyncs.inc({ direction: 'tell', result: 'refused' });
      const { scope, state } = changes[0] as Suppression;
      this.#log.warn(
        { err: error, tenant: tenant.name, scope, state },
        'SendGrid refuses a change of the suppression list',
      );
      return 'refused';
    }
  }

  #client(tenant: Tenant) {
    return sendgridClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
  }
}

/** It is the change that is at fault, and neither the key nor the moment. */
function isRefusal(error: unknown): boolean {
  return error instanceof SendgridApiError && (error.status === 400 || error.status === 404);
}

/** From when to read a tenant's lists, if it is time and no other replica is at it. */
async function takeTurn(tx: Transaction, tenant: string, everyMs: number): Promise<number | undefined> {
  await run(tx, `insert into suppression_syncs values ($1, now(), 0) on conflict do nothing`, [tenant]);
  const { rows } = await run<{ since: string }>(
    tx,
    `update suppression_syncs set next_at = now() + $2 * interval '1 millisecond'
     where tenant = $1 and next_at <= now() returning since`,
    // A little less, so that the next look finds it due.
    [tenant, everyMs * 0.9],
  );
  return rows[0] && Number(rows[0].since);
}

async function readUpTo(tx: Transaction, tenant: string, since: number): Promise<void> {
  await run(tx, 'update suppression_syncs set since = $2 where tenant = $1 and since < $2', [tenant, since]);
}
