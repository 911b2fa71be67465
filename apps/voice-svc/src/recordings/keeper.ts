import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { Outbox, type Transact, writeAll } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { TwilioApiError, twilioClient } from '@signalbox/twilio';
import type { Twilio } from 'twilio';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { timed } from '../dispatch/provider.ts';
import { nextAsk } from '../facts/facts.rules.ts';
import { forgetOld } from '../facts/seen.store.ts';
import { deletionsOverdue, recordingChanges } from '../metrics.ts';
import { priced, proven, type Recording, type RecordingStep } from './recording.ts';
import {
  askAgain,
  countOverdue,
  keyOf,
  lockRecordings,
  type RecordingKey,
  recordingsWrite,
  takeDoomed,
  takeUnpriced,
} from './recording.store.ts';

/** Looked at in one pass; each costs requests to the provider. */
const perPass = 20;

/**
 * Looks after recordings: asks what they cost, and deletes them at the provider when their time is over. One counts as deleted
 * only when the provider was asked for it afterwards and had it no more.
 */
@Injectable()
export class RecordingKeeper {
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
    this.#work = new Periodic('keeping of recordings', config.RECORDINGS_POLL_MS, log, () => this.pass(new Date()));
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** Does what is due; true when there may be more. */
  async pass(now: Date): Promise<boolean> {
    const counts = [await this.#deleteDoomed(now), await this.#askPrices(now)];
    const more = await this.#transact((tx) => forgetOld(tx, now, 1_000));
    return more || counts.some((count) => count >= perPass);
  }

  async #deleteDoomed(now: Date): Promise<number> {
    const { overdue, doomed } = await this.#transact(async (tx) => ({
      overdue: await countOverdue(tx, now),
      doomed: await takeDoomed(tx, now, perPass),
    }));
    // Of whom nothing is overdue any more there is no series.
    deletionsOverdue.reset();
    for (const [tenant, count] of overdue) deletionsOverdue.set({ tenant }, count);
    await Promise.all(doomed.map((recording) => this.#delete(recording)));
    return doomed.length;
  }

  /** Deletes, then asks: only the answer that there is none is a proof. */
  async #delete(recording: Recording): Promise<void> {
    const { recordingSid, tenant } = recording;
    try {
      const client = this.#client(tenant);
      const removed = await statusOf(timed('delete', () => client.recordings(recordingSid).remove()));
      const fetched = await statusOf(timed('fetch', () => client.recordings(recordingSid).fetch()));
      if (fetched !== 404) {
        this.#log.warn({ recordingSid, removed, fetched }, 'a recording was deleted and is still there');
        return;
      }
      await this.#save(recording, (current) => proven(current, fetched, new Date()));
    } catch (error) {
      this.#log.warn({ err: error, recordingSid, tenant }, 'a recording whose time is over could not be deleted');
    }
  }

  async #askPrices(now: Date): Promise<number> {
    const until = new Date(now.getTime() + this.#config.ATTEMPT_LEASE_MS);
    const due = await this.#transact((tx) => takeUnpriced(tx, now, until, perPass));
    await Promise.all(due.map(({ recording, asks }) => this.#askPrice(recording, asks)));
    return due.length;
  }

  async #askPrice(recording: Recording, asks: number): Promise<void> {
    const { recordingSid, tenant } = recording;
    try {
      const client = this.#client(tenant);
      const { price, priceUnit } = await timed('fetch', () => client.recordings(recordingSid).fetch());
      if (price) {
        await this.#save(recording, (current) => priced(current, price, priceUnit, new Date()));
        return;
      }
    } catch (error) {
      this.#log.warn({ err: error, recordingSid }, 'the provider could not be asked what a recording costs');
    }
    const again = nextAsk(asks, new Date(), this.#config.PRICE_POLL_MS);
    await this.#transact((tx) => askAgain(tx, recording, again));
  }

  async #save(key: RecordingKey, decide: (recording: Recording) => RecordingStep): Promise<void> {
    const step = await this.#transact(async (tx) => {
      const recording = (await lockRecordings(tx, [key])).get(keyOf(key));
      if (!recording || recording.state === 'deleted') return undefined;
      const decided = decide(recording);
      await writeAll(tx, [recordingsWrite([decided], new Date())]);
      if (decided.event) await this.#outbox.append(tx, [decided.event]);
      return decided;
    });
    if (step && step.recording.state !== step.before?.state) recordingChanges.inc({ state: step.recording.state });
  }

  #client(name: string): Twilio {
    const tenant = this.#tenants.byName(name);
    if (!tenant) throw new Error(`tenant ${name} is no longer in the tenant file`);
    return twilioClient(tenant, { timeoutMs: this.#config.PROVIDER_TIMEOUT_MS });
  }
}

/** The HTTP status of an answer; what was no answer is thrown. */
async function statusOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 200;
  } catch (error) {
    if (error instanceof TwilioApiError) return error.status;
    throw error;
  }
}
