import {
  All,
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
import { type AuthenticatedRequest, BasicAuthGuard } from './basic-auth.guard.ts';
import { listMessages } from './message-list.ts';
import type { Form } from './message-request.rules.ts';
import { messageResource } from './message-resource.ts';
import { Messages } from './messages.ts';
import type { ListQuery } from './page.ts';
import { TwilioError, TwilioErrorFilter } from './twilio-error.ts';

/** Twilio's Messages API, version 2010-04-01, as its SDKs call it. */
@Controller('2010-04-01/Accounts/:accountSid')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class MessagesController {
  constructor(private readonly messages: Messages) {}

  @Post('Messages.json')
  create(@Req() request: AuthenticatedRequest, @Body() form: Form = {}) {
    return messageResource(this.messages.create(request.account, form));
  }

  @Get('Messages.json')
  list(@Req() request: AuthenticatedRequest, @Query() query: ListQuery) {
    return listMessages(this.messages.ledger, request.account.accountSid, query);
  }

  @Get('Messages/:sid.json')
  fetch(@Req() request: AuthenticatedRequest, @Param('sid') sid: string) {
    return messageResource(this.messages.find(request.account, sid));
  }

  @Post('Messages/:sid.json')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const message = this.messages.find(request.account, sid);
    this.messages.update(message, form);
    return messageResource(message);
  }

  @Delete('Messages/:sid.json')
  @HttpCode(204)
  remove(@Req() request: AuthenticatedRequest, @Param('sid') sid: string): void {
    this.messages.remove(this.messages.find(request.account, sid));
  }

  @All('*')
  unknown(): never {
    throw new TwilioError(20404);
  }
}
