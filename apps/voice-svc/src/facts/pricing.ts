import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { Outbox, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { twilioClient } from '@signalbox/twilio';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { timed } from '../dispatch/provider.ts';
import { type Bill, nextAsk } from './facts.rules.ts';
import { askLater, close, type DueFacts, factsEvent, takeUnpriced } from './facts.store.ts';

/** Asked for in one pass; each costs a request to the provider. */
const perPass = 20;

const unknownBill: Bill = { price: null, currency: null, queueSeconds: null };

/** Asks what calls cost when they are over, some time after which the provider knows, and tells it with all else that is known. */
@Injectable()
export class Pricing {
  readonly #transact: Transact;
  readonly #tenants: TenantDirectory;
  readonly #config: VoiceConfig;
  readonly #log: Logger;
  readonly #outbox = new Outbox();
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: VoiceConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#tenants = tenants;
    this.#config = config;
    this.#log = log;
    this.#work = new Periodic('pricing of calls', config.RECORDINGS_POLL_MS, log, () => this.#pass());
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  async #pass(): Promise<boolean> {
    const now = new Date();
    const until = new Date(now.getTime() + this.#config.ATTEMPT_LEASE_MS);
    const due = await this.#transact((tx) => takeUnpriced(tx, now, until, perPass));
    await Promise.all(due.map((one) => this.#ask(one)));
    return due.length >= perPass;
  }

  async #ask({ facts, asks }: DueFacts): Promise<void> {
    const bill = await this.#bill(facts.tenant, facts.callSid);
    const now = new Date();
    const again = bill?.price === null || bill === undefined ? nextAsk(asks, now, this.#config.PRICE_POLL_MS) : null;
    await this.#transact(async (tx) => {
      if (again !== null) {
        await askLater(tx, facts, again);
        return;
      }
      const known = bill ?? unknownBill;
      const first = await close(tx, facts, known, now);
      if (first) await this.#outbox.append(tx, [factsEvent(facts, known, now.toISOString())]);
    });
  }

  /** Undefined when the provider could not be asked. */
  async #bill(tenantName: string, sid: string): Promise<Bill | undefined> {
    try {
      const tenant = this.#tenants.byName(tenantName);
      if (!tenant) return undefined;
      const client = twilioClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
      const call = await timed('fetch', () => client.calls(sid).fetch());
      return {
        price: call.price || null,
        currency: call.price ? call.priceUnit : null,
        // Milliseconds, as text. Source: Twilio API v2010, queue_time.
        queueSeconds: call.queueTime ? Math.round(Number(call.queueTime) / 1000) : null,
      };
    } catch (error) {
      this.#log.warn({ err: error, callSid: sid }, 'the provider could not be asked what a call cost');
      return undefined;
    }
  }
}
