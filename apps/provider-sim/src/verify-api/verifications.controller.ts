import { Body, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { checkResource, verificationResource } from './resources.ts';
import { Services } from './services.ts';
import { Verifications } from './verifications.ts';
import { VerifyApi } from './verify-api.ts';
import type { Verification } from './verify-ledger.ts';

@VerifyApi('Services/:serviceSid/Verifications')
export class VerificationsController {
  constructor(
    private readonly services: Services,
    private readonly verifications: Verifications,
  ) {}

  @Post()
  create(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Body() form: Form = {}) {
    return this.#resource(this.verifications.start(account, this.services.find(account, serviceSid), form));
  }

  @Get(':sid')
  fetch(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Param('sid') sid: string) {
    return this.#resource(this.verifications.find(this.services.find(account, serviceSid), sid));
  }

  @Post(':sid')
  @HttpCode(200)
  update(
    @Req() { account }: AuthenticatedRequest,
    @Param('serviceSid') serviceSid: string,
    @Param('sid') sid: string,
    @Body() form: Form = {},
  ) {
    const verification = this.verifications.find(this.services.find(account, serviceSid), sid);
    this.verifications.update(verification, form);
    return this.#resource(verification);
  }

  #resource(verification: Verification) {
    return verificationResource(verification, this.verifications.lookup(verification));
  }
}

@VerifyApi('Services/:serviceSid/VerificationCheck')
export class VerificationCheckController {
  constructor(
    private readonly services: Services,
    private readonly verifications: Verifications,
  ) {}

  @Post()
  check(@Req() { account }: AuthenticatedRequest, @Param('serviceSid') serviceSid: string, @Body() form: Form = {}) {
    const verification = this.verifications.check(this.services.find(account, serviceSid), form);
    const answer = checkResource(verification);
    this.verifications.closeAfterTooManyChecks(verification);
    return answer;
  }
}
