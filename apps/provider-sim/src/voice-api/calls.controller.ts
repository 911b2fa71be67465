import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { type AuthenticatedRequest, BasicAuthGuard } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import type { ListQuery } from '../messages-api/page.ts';
import { TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { listCalls } from './call-list.ts';
import { Calls } from './calls.ts';
import { callResource } from './resources.ts';

/** Twilio's Calls API, version 2010-04-01, as its SDKs call it. */
@Controller('2010-04-01/Accounts/:accountSid')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class CallsController {
  constructor(private readonly calls: Calls) {}

  @Post('Calls.json')
  create(@Req() request: AuthenticatedRequest, @Body() form: Form = {}) {
    return callResource(this.calls.create(request.account, form));
  }

  @Get('Calls.json')
  list(@Req() request: AuthenticatedRequest, @Query() query: ListQuery) {
    return listCalls(this.calls.ledger, request.account.accountSid, query);
  }

  @Get('Calls/:sid.json')
  fetch(@Req() request: AuthenticatedRequest, @Param('sid') sid: string) {
    return callResource(this.calls.find(request.account, sid));
  }

  @Post('Calls/:sid.json')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const call = this.calls.find(request.account, sid);
    this.calls.update(call, form);
    return callResource(call);
  }

  @Delete('Calls/:sid.json')
  @HttpCode(204)
  remove(@Req() request: AuthenticatedRequest, @Param('sid') sid: string): void {
    this.calls.remove(this.calls.find(request.account, sid));
  }
}
