import { Inject, Injectable } from '@nestjs/common';
import type { MessageState, SendCommand } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { QuotaBook, queueOf, WaitingLimit } from '@signalbox/outbound';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { v7 as uuidv7 } from 'uuid';
import { blockedAmong } from '../analytics/block.store.ts';
import { blockedPrefix } from '../analytics/pumping.rules.ts';
import { lastInbound } from '../content/last-inbound.store.ts';
import { CONFIG, type MessagingConfig } from '../config.ts';
import type { PriceTable } from '../content/price.rules.ts';
import { PRICES } from '../content/prices.ts';
import { naturalKey, rejectNew } from '../message/message.ts';
import { findByKey, insert } from '../message/message.store.ts';
import { countSteps, repeats } from '../metrics.ts';
import { quotaKinds } from '../quota/quota-kinds.rules.ts';
import { suppressed } from '../suppression/suppression.rules.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { accept, type AcceptanceContext } from './accept.rules.ts';
import { fromKnownSenders } from './known-sender.ts';

export interface SendAsked {
  readonly command: SendCommand;
  readonly traceparent: string | undefined;
}

/** A request that has its message. */
export interface Accepted {
  readonly messageId: string;
  readonly state: MessageState;
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

/** Takes send requests in, whichever way they came: one message per tenant and idempotency key, however often it is asked for. */
@Injectable()
export class Acceptor {
  readonly #tenants: TenantDirectory;
  readonly #quotas: QuotaBook;
  readonly #content: AcceptanceContext['content'];
  readonly #limit: WaitingLimit;

  constructor(
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(PRICES) prices: PriceTable | null,
    @Inject(CONFIG) config: Pick<MessagingConfig, 'MEDIA_ALLOW_PRIVATE' | 'MAX_WAITING'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#tenants = tenants;
    this.#quotas = quotas;
    this.#content = { prices, allowPrivateMedia: config.MEDIA_ALLOW_PRIVATE };
    this.#limit = new WaitingLimit({
      table: 'messages',
      mostOf: (tenant) => tenants.byName(tenant)?.quotas?.maxWaiting,
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
    const commands = await fromKnownSenders(
      tx,
      asked.map(({ command }) => command),
      (name) => this.#tenants.byName(name),
    );
    const inbound = await lastInbound(tx, commands.flatMap(freeWhatsApp), now);
    const decided = asked.map(({ command, traceparent }, index) => {
      const tenant = this.#tenants.byName(command.tenant);
      if (!tenant) throw new UnknownTenant(command.tenant);
      const step = accept(commands[index] ?? command, {
        id: uuidv7(),
        now,
        tenant,
        digest: requestDigest(command),
        traceparent,
        content: this.#content,
        lastInbound: inbound,
      });
      return {
        ...step,
        message: { ...step.message, queue: queueOf(quotaKinds, this.#quotas.of(tenant.name), step.message) },
      };
    });
    const optedOut = await suppressedAmong(
      tx,
      decided.map(({ message }) => message),
    );
    const blocked = await blockedAmong(
      tx,
      decided.map(({ message }) => message),
    );
    const steps = decided.map((step) => {
      if (step.message.state === 'rejected') return step;
      if (optedOut.has(step.message.id)) return rejectNew(step.message, suppressed);
      return blocked.has(step.message.id) ? rejectNew(step.message, blockedPrefix) : step;
    });
    const room = await this.#limit.roomFor(
      tx,
      steps.map(({ message: { tenant, lane } }) => ({ tenant, lane })),
    );
    const inserted = await insert(
      tx,
      steps.filter((_step, index) => room[index]),
    );
    // A repeat is known as one however much waits.
    const others = steps.filter(({ message }) => !inserted.has(message.id)).map(({ message }) => message);
    const known = await findByKey(tx, others);
    const results = steps.map(({ message }, index): Acceptance => {
      if (inserted.has(message.id)) return { messageId: message.id, state: message.state, result: 'new' };
      const earlier = known.get(naturalKey(message));
      if (earlier) {
        const result = earlier.requestDigest === message.requestDigest ? 'repeat' : 'conflict';
        return { messageId: earlier.id, state: earlier.state, result };
      }
      if (room[index]) throw new Error('an idempotency key was refused as known and then not found');
      return { result: 'full' };
    });
    onCommit(tx, () => {
      const added = steps.filter(({ message }) => inserted.has(message.id));
      countSteps(added);
      for (const { message } of added) if (message.dueAt !== null) this.#limit.added(message.tenant);
      for (const { result } of results) if (result === 'repeat' || result === 'conflict') repeats.inc({ result });
    });
    return results;
  }
}

/** Who is to be written to freely on WhatsApp. */
function freeWhatsApp({ tenant, channel, contentSid, to }: SendCommand): { tenant: string; to: string }[] {
  if (channel !== 'whatsapp' || contentSid) return [];
  const recipient = toE164(to, channel);
  return recipient.ok ? [{ tenant, to: recipient.e164 }] : [];
}
