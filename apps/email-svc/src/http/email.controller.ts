import { Controller, Get, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type SendEmailRequest, sendEmailRequest } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import { failpoints, isTransient, type Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  IdempotencyKeyHeader,
  LOGGER,
  ProblemException,
  Scopes,
  type TokenHolder,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import { currentTraceparent, type Logger } from '@signalbox/telemetry';
import type { Tenant } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { type Acceptance, Acceptor, type SendAsked } from '../acceptance/acceptor.ts';
import { cancelAll } from '../acceptance/cancel.ts';
import { Doubts } from '../dispatch/doubts.ts';
import { readAddress } from '../email/address.rules.ts';
import { turnedAway } from '../metrics.ts';
import { unfitting } from '../templates/templates.controller.ts';
import { Templates } from '../templates/templates.ts';
import { findStory, listEmails } from './email.queries.ts';
import {
  accepted,
  canceled,
  emailPage,
  type EmailPageBody,
  type EmailStory,
  emailStory,
  type ListQuery,
  listQuery,
  settled,
  settlement,
} from './email.schemas.ts';

const emailId = z.uuid();

@ApiTags('emails')
@Controller('v1/emails')
@UseGuards(ApiTokenGuard)
export class EmailController {
  readonly #acceptor: Acceptor;
  readonly #dispatcher: Dispatcher;
  readonly #doubts: Doubts;
  readonly #transact: Transact;
  readonly #quotas: QuotaBook;
  readonly #db: DataSource;
  readonly #templates: Templates;
  readonly #log: Logger;
  /** Requests that arrive while a commit is under way share the next one. */
  readonly #requests: GroupCommit<SendAsked, Acceptance>;

  constructor(
    @Inject(Acceptor) acceptor: Acceptor,
    @Inject(Dispatcher) dispatcher: Dispatcher,
    @Inject(Doubts) doubts: Doubts,
    @Inject(TRANSACT) transact: Transact,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(DataSource) db: DataSource,
    @Inject(Templates) templates: Templates,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#acceptor = acceptor;
    this.#dispatcher = dispatcher;
    this.#doubts = doubts;
    this.#transact = transact;
    this.#quotas = quotas;
    this.#db = db;
    this.#templates = templates;
    this.#log = log;
    this.#requests = new GroupCommit((asked) => this.#acceptEach(asked), { maxItems: 200, maxPending: 5_000 });
  }

  @Post()
  @HttpCode(202)
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ApiOperation({
    summary: 'Send one email',
    description: 'Accepted means stored: it will be sent, or you will be told why not.',
  })
  @ZodResponse(202, accepted, 'Accepted, now or before under the same key')
  async send(@CurrentTenant() tenant: { name: string }, @ZodBody(sendEmailRequest) request: SendEmailRequest) {
    refuseInvalidRecipient(request);
    this.#refuseUnfittingData(tenant.name, request);
    const command = { ...request, tenant: tenant.name };
    const acceptance = await this.#requests.add({ command, traceparent: currentTraceparent() });
    if (acceptance.result === 'conflict') throw keyConflict();
    if (acceptance.result === 'full') throw tooManyWait(tenant.name);
    const { emailId, state, result } = acceptance;
    return { emailId, idempotencyKey: request.idempotencyKey, state, repeated: result === 'repeat' };
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'List emails, newest first' })
  @ZodResponse(200, emailPage)
  async list(@CurrentTenant() tenant: { name: string }, @ZodQuery(listQuery) query: ListQuery): Promise<EmailPageBody> {
    return listEmails(this.#db, tenant.name, query);
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ summary: 'The whole story of an email: request, attempts, answers, events' })
  @ZodResponse(200, emailStory)
  async story(@CurrentTenant() tenant: Tenant, @ZodParam('id', emailId) id: string): Promise<EmailStory> {
    const story = await findStory(this.#db, tenant, id, {
      quotas: this.#quotas.of(tenant.name),
      hold: this.#dispatcher.holdOf(tenant.name),
    });
    if (!story) throw notFound();
    return story;
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({ summary: 'Cancel an email that is not with the provider yet' })
  @ZodResponse(200, canceled)
  async cancel(@CurrentTenant() tenant: { name: string }, @ZodParam('id', emailId) id: string) {
    const [result] = await this.#transact((tx) => cancelAll(tx, [{ tenant: tenant.name, emailId: id }], new Date()));
    if (!result || result.kind === 'unknown') throw notFound();
    if (result.kind === 'too_late') {
      throw new ProblemException(409, 'Too late to cancel', `The email is ${result.state}`, { state: result.state });
    }
    return { emailId: result.emailId, state: 'canceled' };
  }

  @Post(':id/settle')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Say what becomes of an email in doubt',
    description:
      'For an email of which Signalbox cannot find out whether SendGrid took it (its last attempt is `in_doubt`). Look in ' +
      "SendGrid's activity feed first. The history of the email keeps who decided what, and when.",
  })
  @ZodResponse(200, settled)
  async settle(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', emailId) id: string,
    @ZodBody(settlement) { as }: z.output<typeof settlement>,
    @Req() request: { tokenHolder?: TokenHolder & { name?: string } },
  ) {
    const by = request.tokenHolder?.name ?? 'unnamed token';
    const result = await this.#doubts.settle({ tenant: tenant.name, emailId: id, as, by }, new Date());
    if (result.kind === 'unknown') throw notFound();
    if (result.kind === 'not_in_doubt') {
      const detail = `The email is ${result.state}, and no attempt of it is in doubt`;
      throw new ProblemException(409, 'Not in doubt', detail, { state: result.state });
    }
    this.#log.warn({ tenant: tenant.name, emailId: id, as, by }, 'an email in doubt was settled by an operator');
    return { emailId: id, state: result.state };
  }

  /** Likewise. */
  #refuseUnfittingData(tenant: string, { template: name, templateData }: SendEmailRequest): void {
    if (!name) return;
    const template = this.#templates.find(tenant, name);
    if (!template) {
      const errors = [{ pointer: '#/template', detail: 'there is no template of this name' }];
      throw new ProblemException(422, 'Unknown template', `There is no template ${name}`, { errors });
    }
    const faults = template.missing(templateData);
    if (faults.length > 0) throw unfitting(name, '#/templateData', faults);
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

  async #accept(asked: readonly SendAsked[]): Promise<Acceptance[]> {
    const results = await this.#transact((tx) => this.#acceptor.accept(tx, asked));
    failpoints.reached('acceptance.answering');
    this.#dispatcher.nudge();
    return results;
  }
}

/** Over HTTP the caller is there to be told; over Kafka the email becomes `rejected`, with an event. */
function refuseInvalidRecipient({ to }: SendEmailRequest): void {
  if (readAddress(to)) return;
  const errors = [{ pointer: '#/to', detail: 'not an email address' }];
  throw new ProblemException(422, 'Invalid recipient', 'The recipient is not an email address', { errors });
}

function keyConflict(): ProblemException {
  const detail = 'This idempotency key belongs to another request of yours; nothing was accepted';
  return new ProblemException(422, 'Idempotency key reused', detail, {
    errors: [{ pointer: '#/idempotencyKey', detail: 'was used with a different request' }],
  });
}

function tooManyWait(tenant: string): ProblemException {
  turnedAway.inc({ tenant });
  const detail = 'As many of your emails wait to be sent as may; nothing was accepted, send it again later';
  return new ProblemException(429, 'Too many emails waiting', detail, {}, { 'retry-after': '5' });
}

function notFound(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no email with this id');
}
