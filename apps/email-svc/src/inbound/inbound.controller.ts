import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import { DataSource } from 'typeorm';
import { findInbound, listInbound } from './inbound.queries.ts';
import {
  inboundEmail,
  inboundIdParam,
  type InboundEmailView,
  inboundPage,
  inboundQuery,
  type InboundQuery,
} from './inbound.schemas.ts';

@ApiTags('inbound')
@Controller('v1/inbound')
@UseGuards(ApiTokenGuard)
export class InboundController {
  readonly #db: DataSource;

  constructor(@Inject(DataSource) db: DataSource) {
    this.#db = db;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ operationId: 'listInboundEmails', summary: 'What was received, newest first' })
  @ZodResponse(200, inboundPage)
  async list(@CurrentTenant() tenant: { name: string }, @ZodQuery(inboundQuery) query: InboundQuery) {
    return listInbound(this.#db, tenant.name, query);
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ operationId: 'getInboundEmail', summary: 'One that was received, with its content' })
  @ZodResponse(200, inboundEmail)
  async one(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', inboundIdParam) id: string,
  ): Promise<InboundEmailView> {
    const found = await findInbound(this.#db, tenant.name, id);
    if (!found) throw new ProblemException(404, 'Not Found', 'This tenant has received no email with this id');
    return found;
  }
}
