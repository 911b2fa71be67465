import { Get, Param, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '../messages-api/basic-auth.guard.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';
import { attemptFilter } from './attempts.rules.ts';
import { listed } from './listed.ts';
import type { PageQuery } from './paging.rules.ts';
import { attemptResource } from './resources.ts';
import { VerifyApi } from './verify-api.ts';
import { type Attempt, VerifyLedger } from './verify-ledger.ts';

@VerifyApi('Attempts')
export class AttemptsController {
  constructor(private readonly ledger: VerifyLedger) {}

  @Get()
  list(@Req() request: AuthenticatedRequest, @Query() query: PageQuery) {
    const attempts = matching(this.ledger, request, query);
    return listed(attempts, query, { path: '/v2/Attempts', key: 'attempts' }, attemptResource);
  }

  @Get(':sid')
  fetch(@Req() { account }: AuthenticatedRequest, @Param('sid') sid: string) {
    const attempt = this.ledger.attempt(account.accountSid, sid);
    if (!attempt) throw new TwilioError(20404);
    return attemptResource(attempt);
  }
}

@VerifyApi('Attempts/Summary')
export class AttemptsSummaryController {
  constructor(private readonly ledger: VerifyLedger) {}

  @Get()
  fetch(@Req() request: AuthenticatedRequest, @Query() query: PageQuery) {
    const attempts = matching(this.ledger, request, query);
    const converted = attempts.filter((attempt) => attempt.converted).length;
    return {
      total_attempts: attempts.length,
      total_converted: converted,
      total_unconverted: attempts.length - converted,
      conversion_rate_percentage: String(attempts.length === 0 ? 0 : (converted / attempts.length) * 100),
      url: 'https://verify.twilio.com/v2/Attempts/Summary',
    };
  }
}

function matching(ledger: VerifyLedger, { account }: AuthenticatedRequest, query: PageQuery): Attempt[] {
  const matches = attemptFilter(query, Date.now());
  if (typeof matches !== 'function') throw new TwilioError(60200, { detail: matches.invalid });
  return [...ledger.attempts(account.accountSid)].filter(matches);
}
