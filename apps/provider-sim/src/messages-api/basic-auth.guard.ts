import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Account, Accounts } from '../accounts.ts';
import { TwilioError } from './twilio-error.ts';

export type AuthenticatedRequest = FastifyRequest<{ Params: { accountSid?: string } }> & { account: Account };

/** HTTP Basic with the account's SID and auth token or with its API key, and only for its own resources where the path names one. */
@Injectable()
export class BasicAuthGuard implements CanActivate {
  constructor(private readonly accounts: Accounts) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const account = this.accounts.byAuthorization(request.headers.authorization);
    const named = request.params.accountSid;
    if (!account || (named !== undefined && named !== account.accountSid)) {
      throw new TwilioError(20003, { headers: { 'WWW-Authenticate': 'Basic realm="Twilio API"' } });
    }
    request.account = account;
    return true;
  }
}
