import type { Readable } from 'node:stream';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  type OnModuleInit,
  Post,
  Put,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ApiBody, ApiConsumes, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
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
import { toE164 } from '@signalbox/twilio';
import type { FastifyInstance } from 'fastify';
import { DataSource } from 'typeorm';
import type { z } from 'zod';
import { countSuppressions } from '../metrics.ts';
import { exportColumns, exportCsv } from './csv-export.ts';
import { importCsv, NotASuppressionFile } from './csv-import.ts';
import { findDrift, findStanding, listSuppressions, readCursor, view, writeCursor } from './suppression.queries.ts';
import {
  type DriftQuery,
  driftQuery,
  type DriftReport,
  driftReport,
  importReport,
  type ImportReport,
  lifted,
  recipientParam,
  type Standing,
  standing,
  suppression,
  suppressionBody,
  suppressionFilter,
  suppressionPage,
  suppressionPut,
  type SuppressionQuery,
  suppressionQuery,
  type SuppressionView,
} from './suppression.schemas.ts';
import { applyRequests } from './suppression.store.ts';
import { readRecipient, readScope } from './written.rules.ts';

const week = 7 * 24 * 3_600_000;

type Filter = z.output<typeof suppressionFilter>;

@ApiTags('suppressions')
@Controller('v1/suppressions')
@UseGuards(ApiTokenGuard)
export class SuppressionController implements OnModuleInit {
  readonly #transact: Transact;
  readonly #db: DataSource;
  readonly #http: HttpAdapterHost;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(DataSource) db: DataSource,
    @Inject(HttpAdapterHost) http: HttpAdapterHost,
  ) {
    this.#transact = transact;
    this.#db = db;
    this.#http = http;
  }

  /** The import reads its body as it arrives. */
  onModuleInit(): void {
    const server = this.#http.httpAdapter.getInstance<FastifyInstance>();
    server.addContentTypeParser('text/csv', (_request, body, done) => done(null, body));
  }

  @Get()
  @Scopes('read')
  @ApiOperation({
    summary: 'List who must not be written to',
    description: 'In the order of recipient, channel and scope. `state=any` also shows who has opted in again.',
  })
  @ZodResponse(200, suppressionPage)
  async list(@CurrentTenant() tenant: Tenant, @ZodQuery(suppressionQuery) query: SuppressionQuery) {
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
    if (query.cursor !== undefined && !after) {
      const errors = [{ parameter: 'cursor', detail: 'is not a nextCursor of this list' }];
      throw new ProblemException(400, 'Invalid request', 'The cursor is not valid', { errors });
    }
    const { state, limit } = query;
    const found = await listSuppressions(this.#db, tenant.name, {
      ...filterOf(query, tenant),
      state,
      after,
      limit: limit + 1,
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return { suppressions: page.map(view), nextCursor: last && found.length > limit ? writeCursor(last) : null };
  }

  @Get('export')
  @Scopes('read')
  @ApiProduces('text/csv')
  @ApiOperation({
    summary: 'Everyone who is opted out, as CSV',
    description: `Columns: ${exportColumns.join(', ')}. Cells that a spreadsheet would run begin with an apostrophe. POST /v1/suppressions/import takes it back.`,
  })
  @ApiResponse({ status: 200, content: { 'text/csv': { schema: { type: 'string' } } } })
  export(@CurrentTenant() tenant: Tenant, @ZodQuery(suppressionFilter) query: Filter): StreamableFile {
    const csv = exportCsv(this.#db, tenant.name, { ...filterOf(query, tenant), state: 'opted_out' });
    const disposition = 'attachment; filename="suppressions.csv"';
    return new StreamableFile(csv, { type: 'text/csv; charset=utf-8; header=present', disposition });
  }

  @Get('drift')
  @Scopes('read')
  @ApiOperation({
    summary: "Where the provider's list and ours have parted",
    description: 'Made of what sends and callbacks have told; the provider is not asked. Numbers are shown in full.',
  })
  @ZodResponse(200, driftReport)
  async drift(@CurrentTenant() tenant: Tenant, @ZodQuery(driftQuery) query: DriftQuery): Promise<DriftReport> {
    const since = query.since === undefined ? new Date(Date.now() - week) : new Date(query.since);
    return findDrift(this.#db, tenant.name, since, query.limit);
  }

  @Post('import')
  @HttpCode(200)
  @Scopes('admin')
  @ApiConsumes('text/csv')
  @ApiBody({
    schema: { type: 'string' },
    description: 'Columns: recipient, and optionally channel, scope, state, source',
  })
  @ApiOperation({
    summary: 'Opt out everyone in a CSV file',
    description:
      'Streamed. Lines at fault are left out and reported. Importing the same file again changes nothing, so an import that broke off is simply repeated. Nobody is opted in.',
  })
  @ZodResponse(200, importReport)
  async import(@CurrentTenant() tenant: Tenant, @Body() body: unknown): Promise<ImportReport> {
    if (!isStream(body)) {
      throw new ProblemException(415, 'Unsupported Media Type', 'The body has to be text/csv');
    }
    try {
      return await importCsv(body, tenant, this.#transact, new Date());
    } catch (error) {
      if (!(error instanceof NotASuppressionFile)) throw error;
      throw new ProblemException(422, 'Not a suppression file', error.message);
    }
  }

  @Get(':recipient')
  @Scopes('read')
  @ApiOperation({ summary: 'Where a recipient stands, and how that came about' })
  @ZodResponse(200, standing)
  async standing(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) recipient: string,
  ): Promise<Standing> {
    return findStanding(this.#db, tenant.name, recipientOf(recipient, undefined).recipient);
  }

  @Put()
  @Scopes('admin')
  @ApiOperation({ summary: 'Opt a recipient out' })
  @ZodResponse(200, suppression)
  async put(
    @CurrentTenant() tenant: Tenant,
    @ZodBody(suppressionPut) body: z.output<typeof suppressionPut>,
  ): Promise<SuppressionView> {
    return this.#optOut(tenant, body.recipient, body);
  }

  @Put(':recipient')
  @Scopes('admin')
  @ApiOperation({
    operationId: 'putRecipient',
    summary: 'Opt a recipient out; the same with the recipient in the path',
  })
  @ZodResponse(200, suppression)
  async putRecipient(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) recipient: string,
    @ZodBody(suppressionBody) body: z.output<typeof suppressionBody>,
  ): Promise<SuppressionView> {
    return this.#optOut(tenant, recipient, body);
  }

  @Delete(':recipient')
  @Scopes('admin')
  @ApiOperation({
    summary: 'Lift the suppression of a recipient',
    description:
      'Of one scope, or of all. The provider keeps its own list: after a STOP it goes on refusing until the person texts START, and its refusal puts them back on this one.',
  })
  @ZodResponse(200, lifted)
  async lift(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('recipient', recipientParam) recipient: string,
    @ZodQuery(suppressionFilter) query: Filter,
  ): Promise<{ suppressions: SuppressionView[] }> {
    const filter = { ...filterOf(query, tenant), ...recipientOf(recipient, query.channel) };
    const found = await listSuppressions(this.#db, tenant.name, { ...filter, state: 'opted_out', limit: 1000 });
    const at = new Date().toISOString();
    const said = { state: 'opted_in', reason: 'api', source: null, at } as const;
    const changes = await this.#transact((tx) =>
      applyRequests(
        tx,
        found.map(({ tenant, recipient, channel, scope }) => ({ tenant, recipient, channel, scope, ...said })),
      ),
    );
    countSuppressions(changes);
    return { suppressions: changes.map(view) };
  }

  async #optOut(tenant: Tenant, written: string, body: z.output<typeof suppressionBody>): Promise<SuppressionView> {
    const recipient = recipientOf(written, body.channel);
    const key = { tenant: tenant.name, ...recipient, scope: scopeOf(body.scope, tenant) };
    const said = { reason: 'api', source: body.source ?? null, at: new Date().toISOString() } as const;
    const changes = await this.#transact((tx) => applyRequests(tx, [{ ...key, state: 'opted_out', ...said }]));
    countSuppressions(changes);
    const [standing] = await listSuppressions(this.#db, tenant.name, { ...key, state: 'any', limit: 1 });
    if (!standing) throw new Error('a suppression that was just written is not there');
    return view(standing);
  }
}

function filterOf(query: Filter & { recipient?: string | undefined }, tenant: Tenant) {
  const channel = query.channel === undefined ? undefined : query.channel === 'whatsapp' ? 'whatsapp' : 'sms';
  return {
    channel,
    scope: query.scope === undefined ? undefined : scopeOf(query.scope, tenant),
    ...(query.recipient !== undefined && recipientOf(query.recipient, query.channel)),
  } as const;
}

function recipientOf(written: string, channel: Filter['channel']) {
  const read = readRecipient(written, channel, toE164);
  if (read.ok) return read.value;
  throw new ProblemException(422, 'Invalid recipient', 'The recipient is not a phone number', {
    errors: [{ parameter: 'recipient', detail: read.detail }],
  });
}

function scopeOf(written: string, tenant: Tenant): string {
  const read = readScope(written, tenant);
  if (read.ok) return read.value;
  throw new ProblemException(422, 'Invalid scope', 'The scope is not known', {
    errors: [{ parameter: 'scope', detail: read.detail }],
  });
}

function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && 'pipe' in body;
}
