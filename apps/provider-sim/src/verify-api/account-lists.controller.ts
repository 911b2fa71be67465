import { Body, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { isE164 } from '../messages-api/address.rules.ts';
import type { AuthenticatedRequest } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { newSid } from '../messages-api/sid.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';
import { listed } from './listed.ts';
import type { PageQuery } from './paging.rules.ts';
import { templateResource, templatesOf } from './resources.ts';
import { SafeList } from './safe-list.ts';
import { VerifyApi } from './verify-api.ts';

@VerifyApi('Templates')
export class VerifyTemplatesController {
  @Get()
  list(@Req() { account }: AuthenticatedRequest, @Query() query: PageQuery) {
    const at = { path: '/v2/Templates', key: 'templates' };
    return listed(templatesOf(query['FriendlyName']), query, at, (one) => templateResource(account.accountSid, one));
  }
}

@VerifyApi('SafeList/Numbers')
export class SafeListController {
  constructor(private readonly safeList: SafeList) {}

  @Post()
  create(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    const number = form['PhoneNumber'];
    if (typeof number !== 'string' || !isE164(number)) throw new TwilioError(60200, { detail: 'PhoneNumber' });
    return resource(number, this.safeList.add(account.accountSid, number, newSid('GN')));
  }

  @Get(':number')
  fetch(@Req() { account }: AuthenticatedRequest, @Param('number') number: string) {
    const sid = this.safeList.find(account.accountSid, number);
    if (sid === undefined) throw new TwilioError(20404);
    return resource(number, sid);
  }

  @Delete(':number')
  @HttpCode(204)
  remove(@Req() { account }: AuthenticatedRequest, @Param('number') number: string): void {
    if (!this.safeList.remove(account.accountSid, number)) throw new TwilioError(20404);
  }
}

const resource = (number: string, sid: string) => ({
  sid,
  phone_number: number,
  url: `https://verify.twilio.com/v2/SafeList/Numbers/${number}`,
});
