import { Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type SendEmailRequest, sendEmailRequest } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  IdempotencyKeyHeader,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Acceptor } from '../acceptance/acceptor.ts';
import { findStory } from './email.queries.ts';
import { accepted, type EmailStory, emailStory } from './email.schemas.ts';

@ApiTags('emails')
@Controller('v1/emails')
@UseGuards(ApiTokenGuard)
export class EmailController {
  readonly #acceptor: Acceptor;
  readonly #transact: Transact;
  readonly #db: DataSource;

  constructor(
    @Inject(Acceptor) acceptor: Acceptor,
    @Inject(TRANSACT) transact: Transact,
    @Inject(DataSource) db: DataSource,
  ) {
    this.#acceptor = acceptor;
    this.#transact = transact;
    this.#db = db;
  }

  @Post()
  @HttpCode(202)
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ApiOperation({ summary: 'Request one email', description: 'Accepted means stored: events tell how it goes on.' })
  @ZodResponse(202, accepted, 'Accepted, now or before under the same key')
  async request(@CurrentTenant() tenant: { name: string }, @ZodBody(sendEmailRequest) request: SendEmailRequest) {
    const command = { ...request, tenant: tenant.name };
    const [result] = await this.#transact((tx) => this.#acceptor.accept(tx, [command]));
    if (!result || result.result === 'conflict') throw keyConflict();
    const { emailId, state } = result;
    return { emailId, idempotencyKey: request.idempotencyKey, state, repeated: result.result === 'repeat' };
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ summary: 'The whole story of an email' })
  @ZodResponse(200, emailStory)
  async story(@CurrentTenant() tenant: { name: string }, @ZodParam('id', z.uuid()) id: string): Promise<EmailStory> {
    const story = await findStory(this.#db, tenant.name, id);
    if (!story) throw new ProblemException(404, 'Not Found', 'This tenant has no email with this id');
    return story;
  }
}

function keyConflict(): ProblemException {
  const detail = 'This idempotency key belongs to another request of yours; nothing was accepted';
  return new ProblemException(422, 'Idempotency key reused', detail, {
    errors: [{ pointer: '#/idempotencyKey', detail: 'was used with a different request' }],
  });
}
