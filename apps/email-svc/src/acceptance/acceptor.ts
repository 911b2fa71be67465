import { Inject, Injectable } from '@nestjs/common';
import type { EmailState, Failure, SendEmailCommand } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { QuotaBook, queueOfWays, WaitingLimit } from '@signalbox/outbound';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type EmailConfig } from '../config.ts';
import { paceKinds } from '../dispatch/quota-kinds.rules.ts';
import { bodyKeyOf, type EmailBody, keepBodies } from '../email/body.store.ts';
import { naturalKey, rejectNew } from '../email/email.ts';
import { findByKey, insert } from '../email/email.store.ts';
import { failures } from '../email/failures.ts';
import { countSteps, repeats } from '../metrics.ts';
import { ReplyTokens } from '../inbound/reply-tokens.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { missingData, unknownTemplate } from '../templates/template.rules.ts';
import { Templates } from '../templates/templates.ts';
import { waysOf } from '../warmup/pool.rules.ts';
import { accept } from './accept.rules.ts';

export interface SendAsked {
  readonly command: SendEmailCommand;
  readonly traceparent: string | undefined;
}

/** A request that has its email. */
export interface Accepted {
  readonly emailId: string;
  readonly state: EmailState;
  /** `repeat`: the key was known with the same request; `conflict`: with another one, which was left alone. */
  readonly result: 'new' | 'repeat' | 'conflict';
}

/** Of the tenant too many wait already: nothing was stored, and the same request may come again. */
export interface TurnedAway {
  readonly result: 'full';
}

export type Acceptance = Accepted | TurnedAway;

export class UnknownTenant extends Error {
  constructor(readonly tenant: string) {
    super('the tenant is not in the tenant file');
    this.name = 'UnknownTenant';
  }
}

/** Takes requests in, whichever way they came: one email per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  readonly #tenants: TenantDirectory;
  readonly #quotas: QuotaBook;
  readonly #replies: ReplyTokens;
  readonly #templates: Templates;
  readonly #limit: WaitingLimit;

  constructor(
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(ReplyTokens) replies: ReplyTokens,
    @Inject(Templates) templates: Templates,
    @Inject(CONFIG) config: EmailConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#tenants = tenants;
    this.#quotas = quotas;
    this.#replies = replies;
    this.#templates = templates;
    this.#limit = new WaitingLimit({
      table: 'emails',
      mostOf: (tenant) => tenants.byName(tenant)?.sendgrid?.quotas?.maxWaiting,
      usual: config.MAX_WAITING,
      log,
    });
  }

  knows(tenant: string): boolean {
    return this.#tenants.byName(tenant) !== undefined;
  }

  /**
   * Answers each request in order.
   * @throws UnknownTenant; the HTTP guard and the Kafka handler rule it out beforehand
   */
  async accept(tx: Transaction, asked: readonly SendAsked[]): Promise<Acceptance[]> {
    const now = new Date();
    const decided = asked.map(({ command, traceparent }) => {
      const tenant = this.#tenants.byName(command.tenant);
      if (!tenant) throw new UnknownTenant(command.tenant);
      const digest = requestDigest(command);
      const id = uuidv7();
      const replyAddress = this.#replies.addressOf(tenant, id);
      const templateFault = this.#templateFault(command);
      const context = { id, now, tenant, digest, traceparent, bodyKeyOf, replyAddress, templateFault };
      const { step, body } = accept(command, context);
      const quotas = this.#quotas.of(tenant.name);
      const queue = queueOfWays(paceKinds, quotas, waysOf(tenant, step.email, quotas));
      return { step: { ...step, email: { ...step.email, queue } }, body };
    });
    const suppressed = await suppressedAmong(
      tx,
      decided.map(({ step }) => step.email),
    );
    const steps = decided.map(({ step }) =>
      step.email.state !== 'rejected' && suppressed.has(step.email.id)
        ? rejectNew(step.email, failures.suppressed)
        : step,
    );
    const room = await this.#limit.roomFor(
      tx,
      steps.map(({ email: { tenant, lane } }) => ({ tenant, lane })),
    );
    const inserted = await insert(
      tx,
      steps.filter((_step, index) => room[index]),
    );
    const bodies = new Map<string, EmailBody>();
    for (const [index, { email }] of steps.entries()) {
      const body = decided[index]?.body;
      if (body && inserted.has(email.id) && email.state !== 'rejected') bodies.set(email.bodyKey, body);
    }
    await keepBodies(tx, bodies);
    // A repeat is known as one however much waits.
    const known = await findByKey(
      tx,
      steps.map(({ email }) => email).filter(({ id }) => !inserted.has(id)),
    );
    const results = steps.map(({ email }, index): Acceptance => {
      if (inserted.has(email.id)) return { emailId: email.id, state: email.state, result: 'new' };
      const earlier = known.get(naturalKey(email));
      if (earlier) {
        const result = earlier.requestDigest === email.requestDigest ? 'repeat' : 'conflict';
        return { emailId: earlier.id, state: earlier.state, result };
      }
      if (room[index]) throw new Error('an idempotency key was refused as known and then not found');
      return { result: 'full' };
    });
    onCommit(tx, () => {
      const added = steps.filter(({ email }) => inserted.has(email.id));
      countSteps(added);
      for (const { email } of added) if (email.dueAt !== null) this.#limit.added(email.tenant);
      for (const { result } of results) if (result === 'repeat' || result === 'conflict') repeats.inc({ result });
    });
    return results;
  }

  #templateFault({ tenant, template: name, templateData }: SendEmailCommand): Failure | undefined {
    if (!name) return undefined;
    const template = this.#templates.find(tenant, name);
    if (!template) return unknownTemplate(name);
    const faults = template.missing(templateData);
    return faults.length > 0 ? missingData(name, faults) : undefined;
  }
}
