import { Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type SendRequest, sendRequest } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import { failpoints, isTransient, type Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  IdempotencyKeyHeader,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import { currentTraceparent } from '@signalbox/telemetry';
import { toE164 } from '@signalbox/twilio';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { type Acceptance, type Accepted, Acceptor, type SendAsked } from '../acceptance/acceptor.ts';
import { cancelAll } from '../acceptance/cancel.ts';
import { turnedAway } from '../metrics.ts';
import { findStory, listMessages } from './message.queries.ts';
import {
  accepted,
  acceptedBatch,
  canceled,
  type ListQuery,
  listQuery,
  messagePage,
  type MessagePageBody,
  type MessageStory,
  messageStory,
  sendBatch,
} from './message.schemas.ts';

const messageId = z.uuid();

@ApiTags('messages')
@Controller('v1/messages')
@UseGuards(ApiTokenGuard)
export class MessageController {
  readonly #acceptor: Acceptor;
  readonly #dispatcher: Dispatcher;
  readonly #transact: Transact;
  readonly #quotas: QuotaBook;
  readonly #db: DataSource;
  /** Requests that arrive while a commit is under way share the next one. */
  readonly #requests: GroupCommit<SendAsked, Acceptance>;

  constructor(
    @Inject(Acceptor) acceptor: Acceptor,
    @Inject(Dispatcher) dispatcher: Dispatcher,
    @Inject(TRANSACT) transact: Transact,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(DataSource) db: DataSource,
  ) {
    this.#acceptor = acceptor;
    this.#dispatcher = dispatcher;
    this.#transact = transact;
    this.#quotas = quotas;
    this.#db = db;
    this.#requests = new GroupCommit((asked) => this.#acceptEach(asked), { maxItems: 500, maxPending: 20_000 });
  }

  @Post()
  @HttpCode(202)
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ApiOperation({
    summary: 'Send one message',
    description: 'Accepted means stored: it will be sent once, or you will be told why not.',
  })
  @ZodResponse(202, accepted, 'Accepted, now or before under the same key')
  async send(@CurrentTenant() tenant: { name: string }, @ZodBody(sendRequest) request: SendRequest) {
    refuseInvalidRecipient(request, '#/to');
    const result = await this.#requests.add(ask(tenant, request));
    if (result.result === 'conflict') throw keyConflict();
    if (result.result === 'full') throw tooManyWait(tenant.name);
    return answer(request, result);
  }

  @Post('batch')
  @HttpCode(202)
  @Scopes('send')
  @ApiOperation({ summary: 'Send up to 500 messages', description: 'All are accepted in one transaction, or none.' })
  @ZodResponse(202, acceptedBatch)
  async sendMany(
    @CurrentTenant() tenant: { name: string },
    @ZodBody(sendBatch) { messages }: { messages: SendRequest[] },
  ) {
    messages.forEach((request, index) => refuseInvalidRecipient(request, `#/messages/${index}/to`));
    const results = await this.#accept(
      messages.map((request) => ask(tenant, request)),
      (all) => {
        if (all.some(({ result }) => result === 'full')) throw tooManyWait(tenant.name);
      },
    );
    return {
      messages: messages.map((request, index) => {
        const result = results[index] as Accepted;
        return { ...answer(request, result), conflict: result.result === 'conflict' };
      }),
    };
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'List messages, newest first' })
  @ZodResponse(200, messagePage)
  async list(
    @CurrentTenant() tenant: { name: string },
    @ZodQuery(listQuery) query: ListQuery,
  ): Promise<MessagePageBody> {
    return listMessages(this.#db, tenant.name, query);
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ summary: 'The whole story of a message: request, attempts, answers, callbacks' })
  @ZodResponse(200, messageStory)
  async story(@CurrentTenant() tenant: { name: string }, @ZodParam('id', messageId) id: string): Promise<MessageStory> {
    const story = await findStory(this.#db, tenant.name, id, {
      quotas: this.#quotas.of(tenant.name),
      hold: this.#dispatcher.holdOf(tenant.name),
    });
    if (!story) throw notFound();
    return story;
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({ summary: 'Cancel a message that is not with the provider yet' })
  @ZodResponse(200, canceled)
  async cancel(@CurrentTenant() tenant: { name: string }, @ZodParam('id', messageId) id: string) {
    const [result] = await this.#transact((tx) => cancelAll(tx, [{ tenant: tenant.name, messageId: id }], new Date()));
    if (!result || result.kind === 'unknown') throw notFound();
    if (result.kind === 'too_late') {
      throw new ProblemException(409, 'Too late to cancel', `The message is ${result.state}`, { state: result.state });
    }
    return { messageId: result.messageId, state: 'canceled' };
  }

  /** Who shares a commit are strangers: a request that fails it is found by halving, and costs no other one. */
  async #acceptEach(asked: readonly SendAsked[]): Promise<(Acceptance | Error)[]> {
    try {
      return await this.#accept(asked);
    } catch (error) {
      if (asked.length === 1 || isTransient(error)) return asked.map(() => error as Error);
      const half = asked.length >> 1;
      return [...(await this.#acceptEach(asked.slice(0, half))), ...(await this.#acceptEach(asked.slice(half)))];
    }
  }

  /** @param check what it throws leaves nothing behind */
  async #accept(
    asked: readonly SendAsked[],
    check: (results: readonly Acceptance[]) => void = () => undefined,
  ): Promise<Acceptance[]> {
    const results = await this.#transact(async (tx) => {
      const all = await this.#acceptor.accept(tx, asked);
      check(all);
      return all;
    });
    failpoints.reached('acceptance.answering');
    this.#dispatcher.nudge();
    return results;
  }
}

function ask(tenant: { name: string }, request: SendRequest): SendAsked {
  return { command: { ...request, tenant: tenant.name }, traceparent: currentTraceparent() };
}

function answer(request: SendRequest, result: Accepted) {
  return {
    messageId: result.messageId,
    idempotencyKey: request.idempotencyKey,
    state: result.state,
    repeated: result.result === 'repeat',
  };
}

/** Over HTTP the caller is there to be told; over Kafka the message becomes `rejected`, with an event. */
function refuseInvalidRecipient(request: SendRequest, pointer: string): void {
  const recipient = toE164(request.to, request.channel);
  if (recipient.ok) return;
  const errors = [{ pointer, detail: `not a phone number in E.164: ${recipient.reason}` }];
  throw new ProblemException(422, 'Invalid recipient', 'The recipient is not a phone number', { errors });
}

function keyConflict(): ProblemException {
  const detail = 'This idempotency key belongs to another request of yours; nothing was accepted';
  return new ProblemException(422, 'Idempotency key reused', detail, {
    errors: [{ pointer: '#/idempotencyKey', detail: 'was used with a different request' }],
  });
}

function tooManyWait(tenant: string): ProblemException {
  turnedAway.inc({ tenant });
  const detail = 'As many of your messages wait to be sent as may; nothing was accepted, send it again later';
  return new ProblemException(429, 'Too many messages waiting', detail, {}, { 'retry-after': '5' });
}

function notFound(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no message with this id');
}
