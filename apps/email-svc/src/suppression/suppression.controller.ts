import { Controller, Delete, Get, HttpCode, Inject, Post, Put, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import { SendgridApiError, SendgridTransportError } from '@signalbox/sendgrid';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { Tenant } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import type { z } from 'zod';
import { readAddress } from '../email/address.rules.ts';
import { countSuppressions } from '../metrics.ts';
import { driftBetween } from './drift.rules.ts';
import { findStanding, listSuppressions, readCursor, view, writeCursor } from './suppression.queries.ts';
import {
  driftQuery,
  type DriftReport,
  driftReport,
  lifted,
  recipientParam,
  type Standing,
  standing,
  suppression,
  suppressionBody,
  suppressionFilter,
  suppressionPage,
  type SuppressionQuery,
  suppressionQuery,
  type SuppressionView,
  syncReport,
} from './suppression.schemas.ts';
import { applyRequests, countUntold } from './suppression.store.ts';
import { SuppressionSync } from './suppression-sync.ts';

/** Recipients of one side that are compared at once, in memory. */
const maxCompared = 200_000;

@ApiTags('suppressions')
@Controller('v1/suppressions')
@UseGuards(ApiTokenGuard)
export class SuppressionController {
  readonly #transact: Transact;
  readonly #db: DataSource;
  readonly #sync: SuppressionSync;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(DataSource) db: DataSource,
    @Inject(SuppressionSync) sync: SuppressionSync,
  ) {
    this.#transact = transact;
    this.#db = db;
    this.#sync = sync;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({
    summary: 'List who must not be written to',
    description: 'In the order of recipient and scope. `state=any` also shows who has opted in again.',
  })
  @ZodResponse(200, suppressionPage)
  async list(@CurrentTenant() tenant: Tenant, @ZodQuery(suppressionQuery) query: SuppressionQuery) {
    const { cursor, limit, recipient, ...filter } = query;
    const after = cursor === undefined ? undefined : readCursor(cursor);
    if (cursor !== undefined && !after) {
      const errors = [{ parameter: 'cursor', detail: 'is not a nextCursor of this list' }];
      throw new ProblemException(400, 'Invalid request', 'The cursor is not valid', { errors });
    }
    const found = await listSuppressions(this.#db, tenant.name, {
      ...filter,
      recipient: recipient === undefined ? undefined : addressOf(recipient),
      after,
      limit: limit + 1,
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return { suppressions: page.map(view), nextCursor: last && found.length > limit ? writeCursor(last) : null };
  }

  @Get('drift')
  @Scopes('admin')
  @ApiOperation({
    summary: "Where SendGrid's lists and ours have parted",
    description:
      'SendGrid is asked for its lists now. Addresses are shown in full. 409 for lists of more than 200,000 recipients.',
  })
  @ZodResponse(200, driftReport)
  async drift(
    @CurrentTenant() tenant: Tenant,
    @ZodQuery(driftQuery) { limit }: z.output<typeof driftQuery>,
  ): Promise<DriftReport> {
    const ours = await listSuppressions(this.#db, tenant.name, { state: 'opted_out', limit: maxCompared + 1 });
    if (ours.length > maxCompared) throw tooLong('Our list');
    const theirs = await answered(tenant, () => this.#sync.listed(tenant, maxCompared));
    if (!theirs) throw tooLong("SendGrid's lists");
    const { onlyAtSendgrid, onlyHere } = driftBetween(ours, theirs);
    const shown = (all: typeof onlyHere) => ({
      recipients: all.length,
      examples: all.slice(0, limit).map(({ recipient, scope, reason, at }) => ({ recipient, scope, reason, at })),
    });
    return {
      at: new Date().toISOString(),
      onlyAtSendgrid: shown(onlyAtSendgrid),
      onlyHere: shown(onlyHere),
      untold: await this.#transact((tx) => countUntold(tx, [tenant.name])),
    };
  }

  @Post('sync')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: "Read SendGrid's lists in full now",
    description: 'They are read by themselves from time to time.',
  })
  @ZodResponse(200, syncReport)
  async sync(@CurrentTenant() tenant: Tenant): Promise<{ added: number }> {
    return { added: await answered(tenant, () => this.#sync.read(tenant, 0)) };
  }

  @Get(':recipient')
  @Scopes('read')
  @ApiOperation({ summary: 'Where a recipient stands, and how that came about' })
  @ZodResponse(200, standing)
  async standing(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) recipient: string,
  ): Promise<Standing> {
    return findStanding(this.#db, tenant.name, addressOf(recipient));
  }

  @Put(':recipient')
  @Scopes('admin')
  @ApiOperation({ summary: 'Opt a recipient out', description: 'SendGrid is told within seconds.' })
  @ZodResponse(200, suppression)
  async put(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) written: string,
    @ZodBody(suppressionBody) { scope, source }: z.output<typeof suppressionBody>,
  ): Promise<SuppressionView> {
    const key = { tenant: tenant.name, recipient: addressOf(written), scope };
    const said = { reason: 'api', source: source ?? null, at: new Date().toISOString() } as const;
    const changes = await this.#transact((tx) => applyRequests(tx, [{ ...key, state: 'opted_out', ...said }]));
    countSuppressions(changes);
    const [standing] = await listSuppressions(this.#db, tenant.name, { ...key, state: 'any', limit: 1 });
    if (!standing) throw new Error('a suppression that was just written is not there');
    return view(standing);
  }

  @Delete(':recipient')
  @Scopes('admin')
  @ApiOperation({
    summary: 'Lift the suppression of a recipient',
    description: 'Of one scope, or of all. SendGrid is told within seconds to take them off its lists.',
  })
  @ZodResponse(200, lifted)
  async lift(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) written: string,
    @ZodQuery(suppressionFilter) { scope }: z.output<typeof suppressionFilter>,
  ): Promise<{ suppressions: SuppressionView[] }> {
    const filter = { recipient: addressOf(written), scope, state: 'opted_out', limit: 1000 } as const;
    const found = await listSuppressions(this.#db, tenant.name, filter);
    const said = { state: 'opted_in', reason: 'api', source: null, at: new Date().toISOString() } as const;
    const changes = await this.#transact((tx) =>
      applyRequests(
        tx,
        found.map(({ tenant, recipient, scope }) => ({ tenant, recipient, scope, ...said })),
      ),
    );
    countSuppressions(changes);
    return { suppressions: changes.map(view) };
  }
}

function addressOf(written: string): string {
  const address = readAddress(written);
  if (address) return address.email;
  throw new ProblemException(422, 'Invalid recipient', 'The recipient is not an email address', {
    errors: [{ parameter: 'recipient', detail: 'not an email address' }],
  });
}

function tooLong(what: string): ProblemException {
  return new ProblemException(409, 'Too long to compare', `${what} of more than ${maxCompared} recipients`);
}

/** What SendGrid's refusal or silence is for the caller. */
async function answered<R>({ sendgrid }: Tenant, call: () => Promise<R>): Promise<R> {
  if (!sendgrid?.apiKey) throw new ProblemException(409, 'Not configured', 'The tenant has no SendGrid key');
  try {
    return await call();
  } catch (error) {
    if (error instanceof SendgridApiError) {
      const detail = `SendGrid answered ${error.status}; the key may lack a scope for suppressions`;
      throw new ProblemException(502, 'SendGrid refused', detail, { status: error.status });
    }
    if (error instanceof SendgridTransportError) throw new ProblemException(502, 'SendGrid did not answer', error.code);
    throw error;
  }
}
