import { Body, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { listed } from './listed.ts';
import type { PageQuery } from './paging.rules.ts';
import { bucketResource, rateLimitResource } from './resources.ts';
import { Services } from './services.ts';
import { VerifyApi } from './verify-api.ts';
import type { Bucket } from './verify-ledger.ts';

@VerifyApi('Services/:serviceSid/RateLimits')
export class RateLimitsController {
  constructor(private readonly services: Services) {}

  @Post()
  create(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Body() form: Form = {}) {
    const service = this.services.find(account, serviceSid);
    return rateLimitResource(service, this.services.addRateLimit(service, form));
  }

  @Get()
  list(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Query() query: PageQuery) {
    const service = this.services.find(account, serviceSid);
    const at = { path: `/v2/Services/${serviceSid}/RateLimits`, key: 'rate_limits' };
    return listed(service.rateLimits, query, at, (limit) => rateLimitResource(service, limit));
  }

  @Get(':sid')
  fetch(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Param('sid') sid: string) {
    const service = this.services.find(account, serviceSid);
    return rateLimitResource(service, this.services.rateLimit(service, sid));
  }

  @Post(':sid')
  @HttpCode(200)
  update(
    @Req() { account }: AuthenticatedRequest,
    @Param('serviceSid') serviceSid: string,
    @Param('sid') sid: string,
    @Body() form: Form = {},
  ) {
    const service = this.services.find(account, serviceSid);
    const limit = this.services.rateLimit(service, sid);
    this.services.describe(limit, form);
    return rateLimitResource(service, limit);
  }

  @Delete(':sid')
  @HttpCode(204)
  remove(
    @Req() { account }: AuthenticatedRequest,
    @Param('serviceSid') serviceSid: string,
    @Param('sid') sid: string,
  ): void {
    const { rateLimits } = this.services.find(account, serviceSid);
    const limit = this.services.rateLimit(this.services.find(account, serviceSid), sid);
    rateLimits.splice(rateLimits.indexOf(limit), 1);
  }
}

@VerifyApi('Services/:serviceSid/RateLimits/:limitSid/Buckets')
export class BucketsController {
  constructor(private readonly services: Services) {}

  @Post()
  create(@Req() request: AuthenticatedRequest, @Param() path: Path, @Body() form: Form = {}) {
    const { limit, resource } = this.#at(request, path);
    return resource(this.services.addBucket(limit, form));
  }

  @Get()
  list(@Req() request: AuthenticatedRequest, @Param() path: Path, @Query() query: PageQuery) {
    const { limit, resource } = this.#at(request, path);
    const base = `/v2/Services/${path.serviceSid}/RateLimits/${path.limitSid}/Buckets`;
    return listed(limit.buckets, query, { path: base, key: 'buckets' }, resource);
  }

  @Get(':sid')
  fetch(@Req() request: AuthenticatedRequest, @Param() path: Path) {
    const { limit, resource } = this.#at(request, path);
    return resource(this.services.bucket(limit, path.sid));
  }

  @Post(':sid')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param() path: Path, @Body() form: Form = {}) {
    const { limit, resource } = this.#at(request, path);
    return resource(this.services.resize(limit, this.services.bucket(limit, path.sid), form));
  }

  @Delete(':sid')
  @HttpCode(204)
  remove(@Req() request: AuthenticatedRequest, @Param() path: Path): void {
    const { limit } = this.#at(request, path);
    limit.buckets.splice(limit.buckets.indexOf(this.services.bucket(limit, path.sid)), 1);
  }

  #at({ account }: AuthenticatedRequest, { serviceSid, limitSid }: Path) {
    const service = this.services.find(account, serviceSid);
    const limit = this.services.rateLimit(service, limitSid);
    return { limit, resource: (bucket: Bucket) => bucketResource(service, limit, bucket) };
  }
}

interface Path {
  readonly serviceSid: string;
  readonly limitSid: string;
  readonly sid: string;
}
