import { Body, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { listed } from './listed.ts';
import type { PageQuery } from './paging.rules.ts';
import { serviceResource } from './resources.ts';
import { Services } from './services.ts';
import { VerifyApi } from './verify-api.ts';

@VerifyApi('Services')
export class ServicesController {
  constructor(private readonly services: Services) {}

  @Post()
  create(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    return serviceResource(this.services.create(account, form));
  }

  @Get()
  list(@Req() { account }: AuthenticatedRequest, @Query() query: PageQuery) {
    return listed(this.services.list(account), query, { path: '/v2/Services', key: 'services' }, serviceResource);
  }

  @Get(':sid')
  fetch(@Req() { account }: AuthenticatedRequest, @Param('sid') sid: string) {
    return serviceResource(this.services.find(account, sid));
  }

  @Post(':sid')
  @HttpCode(200)
  update(@Req() { account }: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const service = this.services.find(account, sid);
    this.services.update(service, form);
    return serviceResource(service);
  }

  @Delete(':sid')
  @HttpCode(204)
  remove(@Req() { account }: AuthenticatedRequest, @Param('sid') sid: string): void {
    this.services.remove(this.services.find(account, sid));
  }
}
