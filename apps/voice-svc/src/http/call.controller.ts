import { Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type PlaceCallRequest, placeCallRequest } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher } from '@signalbox/outbound';
import { failpoints, type Transact } from '@signalbox/persistence';
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
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { recipientOf } from '../acceptance/accept.rules.ts';
import { Acceptor } from '../acceptance/acceptor.ts';
import { cancelAll } from '../acceptance/cancel.ts';
import { turnedAway } from '../metrics.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { findStory, listCalls } from './call.queries.ts';
import {
  accepted,
  callPage,
  type CallPageBody,
  type CallStory,
  callStory,
  canceled,
  type ListQuery,
  listQuery,
} from './call.schemas.ts';

const callId = z.uuid();

@ApiTags('calls')
@Controller('v1/calls')
@UseGuards(ApiTokenGuard)
export class CallController {
  readonly #acceptor: Acceptor;
  readonly #dispatcher: Pick<Dispatcher, 'nudge'>;
  readonly #reconciler: Pick<Reconciler, 'nudge'>;
  readonly #transact: Transact;
  readonly #db: DataSource;

  constructor(
    @Inject(Acceptor) acceptor: Acceptor,
    @Inject(Dispatcher) dispatcher: Dispatcher,
    @Inject(Reconciler) reconciler: Reconciler,
    @Inject(TRANSACT) transact: Transact,
    @Inject(DataSource) db: DataSource,
  ) {
    this.#acceptor = acceptor;
    this.#dispatcher = dispatcher;
    this.#reconciler = reconciler;
    this.#transact = transact;
    this.#db = db;
  }

  @Post()
  @HttpCode(202)
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ApiOperation({
    summary: 'Place one call',
    description: 'Accepted means stored: it will be placed once, or you will be told why not.',
  })
  @ZodResponse(202, accepted, 'Accepted, now or before under the same key')
  async place(@CurrentTenant() tenant: { name: string }, @ZodBody(placeCallRequest) request: PlaceCallRequest) {
    refuseInvalidRecipient(request);
    const command = { ...request, tenant: tenant.name };
    const asked = { command, traceparent: currentTraceparent() };
    const [result] = await this.#transact((tx) => this.#acceptor.accept(tx, [asked]));
    failpoints.reached('acceptance.answering');
    this.#dispatcher.nudge();
    if (!result || result.result === 'conflict') throw keyConflict();
    if (result.result === 'full') throw tooManyWait(tenant.name);
    const { callId: id, state } = result;
    return { callId: id, idempotencyKey: request.idempotencyKey, state, repeated: result.result === 'repeat' };
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'List calls, newest first' })
  @ZodResponse(200, callPage)
  async list(@CurrentTenant() tenant: { name: string }, @ZodQuery(listQuery) query: ListQuery): Promise<CallPageBody> {
    return listCalls(this.#db, tenant.name, query);
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ summary: 'The whole story of a call: request, attempts, tries, callbacks, cost' })
  @ZodResponse(200, callStory)
  async story(@CurrentTenant() tenant: { name: string }, @ZodParam('id', callId) id: string): Promise<CallStory> {
    const story = await findStory(this.#db, tenant.name, id);
    if (!story) throw notFound();
    return story;
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({ summary: 'Cancel a call that waits or rings, or hang it up' })
  @ZodResponse(200, canceled)
  async cancel(@CurrentTenant() tenant: { name: string }, @ZodParam('id', callId) id: string) {
    const [result] = await this.#transact((tx) => cancelAll(tx, [{ tenant: tenant.name, callId: id }], new Date()));
    if (!result || result.kind === 'unknown') throw notFound();
    if (result.kind === 'too_late') {
      throw new ProblemException(409, 'Too late to cancel', `The call is ${result.state}`, { state: result.state });
    }
    this.#reconciler.nudge();
    return { callId: result.callId, state: result.state, ending: result.kind === 'ending' };
  }
}

/** Over HTTP the caller is there to be told; over Kafka the call becomes `rejected`, with an event. */
function refuseInvalidRecipient({ to }: PlaceCallRequest): void {
  if (recipientOf(to) !== undefined) return;
  const errors = [{ pointer: '#/to', detail: 'neither E.164 nor an address that begins with sip: or client:' }];
  throw new ProblemException(422, 'Invalid recipient', 'The recipient cannot be called', { errors });
}

function keyConflict(): ProblemException {
  const detail = 'This idempotency key belongs to another request of yours; nothing was accepted';
  return new ProblemException(422, 'Idempotency key reused', detail, {
    errors: [{ pointer: '#/idempotencyKey', detail: 'was used with a different request' }],
  });
}

function tooManyWait(tenant: string): ProblemException {
  turnedAway.inc({ tenant });
  const detail = 'As many of your calls wait to be placed as may; nothing was accepted, ask again later';
  return new ProblemException(429, 'Too many calls waiting', detail, {}, { 'retry-after': '5' });
}

function notFound(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no call with this id');
}
