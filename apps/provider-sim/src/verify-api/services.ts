import { Injectable } from '@nestjs/common';
import { type Account, Accounts } from '../accounts.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { newSid } from '../messages-api/sid.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';
import { SlidingWindow } from './sliding-window.ts';
import { templates } from './texts.rules.ts';
import { type Bucket, type RateLimit, VerifyLedger, type VerifyService } from './verify-ledger.ts';
import { defaultSettings, readSettings } from './verify-service.rules.ts';

/** Verify services, their rate limits and buckets, as the REST API sees them; a refusal is a TwilioError. */
@Injectable()
export class Services {
  constructor(
    private readonly ledger: VerifyLedger,
    private readonly accounts: Accounts,
  ) {
    this.#addConfigured();
  }

  create(account: Account, form: Form): VerifyService {
    return this.#add(account.accountSid, newSid('VA'), form);
  }

  /** Newest first. */
  list(account: Account): VerifyService[] {
    return this.ledger.services(account.accountSid).reverse();
  }

  find(account: Account, sid: string): VerifyService {
    const service = this.ledger.service(account.accountSid, sid);
    if (!service) throw new TwilioError(20404);
    return service;
  }

  update(service: VerifyService, form: Form): void {
    const reading = readSettings(form, service, templates);
    if (!reading.ok) throw new TwilioError(reading.code, { detail: reading.detail });
    Object.assign(service, reading.settings, { updatedAt: Date.now() });
  }

  remove(service: VerifyService): void {
    service.deleted = true;
  }

  addRateLimit(service: VerifyService, form: Form): RateLimit {
    const uniqueName = text(form, 'UniqueName') ?? '';
    if (uniqueName === '') throw new TwilioError(60200, { detail: 'UniqueName' });
    if (!/^[\w.-]+$/.test(uniqueName)) throw new TwilioError(60209);
    if (service.rateLimits.some((limit) => limit.uniqueName === uniqueName)) throw new TwilioError(60208);
    const now = Date.now();
    const description = text(form, 'Description') ?? null;
    const limit = { sid: newSid('RK'), uniqueName, description, createdAt: now, updatedAt: now, buckets: [] };
    service.rateLimits.push(limit);
    return limit;
  }

  rateLimit(service: VerifyService, sid: string): RateLimit {
    const limit = service.rateLimits.find((one) => one.sid === sid);
    if (!limit) throw new TwilioError(20404);
    return limit;
  }

  describe(limit: RateLimit, form: Form): void {
    Object.assign(limit, { description: text(form, 'Description') ?? limit.description, updatedAt: Date.now() });
  }

  addBucket(limit: RateLimit, form: Form): Bucket {
    const max = whole(form, 'Max');
    const interval = whole(form, 'Interval');
    if (limit.buckets.some((bucket) => bucket.interval === interval)) throw new TwilioError(60211);
    const now = Date.now();
    const starts = new SlidingWindow(interval * 1000);
    const bucket = { sid: newSid('BL'), max, interval, createdAt: now, updatedAt: now, starts };
    limit.buckets.push(bucket);
    return bucket;
  }

  bucket(limit: RateLimit, sid: string): Bucket {
    const bucket = limit.buckets.find((one) => one.sid === sid);
    if (!bucket) throw new TwilioError(20404);
    return bucket;
  }

  /** A new interval begins to count anew. */
  resize(limit: RateLimit, bucket: Bucket, form: Form): Bucket {
    const max = form['Max'] === undefined ? bucket.max : whole(form, 'Max');
    const interval = form['Interval'] === undefined ? bucket.interval : whole(form, 'Interval');
    if (limit.buckets.some((one) => one !== bucket && one.interval === interval)) throw new TwilioError(60211);
    const starts = interval === bucket.interval ? bucket.starts : new SlidingWindow(interval * 1000);
    const resized = { ...bucket, max, interval, starts, updatedAt: Date.now() };
    limit.buckets.splice(limit.buckets.indexOf(bucket), 1, resized);
    return resized;
  }

  /** Those of the configuration only, as at the start. */
  reset(): void {
    this.ledger.clear();
    this.#addConfigured();
  }

  #addConfigured(): void {
    for (const { accountSid, verifyServices } of this.accounts.all)
      for (const [sid, form] of Object.entries(verifyServices)) this.#add(accountSid, sid, form);
  }

  #add(accountSid: string, sid: string, form: Form): VerifyService {
    const reading = readSettings(form, defaultSettings, templates);
    if (!reading.ok) throw new TwilioError(reading.code, { detail: reading.detail });
    const now = Date.now();
    const service: VerifyService = {
      ...reading.settings,
      sid,
      accountSid,
      createdAt: now,
      updatedAt: now,
      rateLimits: [],
      deleted: false,
    };
    this.ledger.addService(service);
    return service;
  }
}

function text(form: Form, name: string): string | undefined {
  const value = form[name];
  return Array.isArray(value) ? value[0] : value;
}

function whole(form: Form, name: string): number {
  const value = text(form, name) ?? '';
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new TwilioError(60200, { detail: name });
  return Number(value);
}
