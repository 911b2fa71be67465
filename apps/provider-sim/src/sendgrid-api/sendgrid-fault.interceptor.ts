import { Injectable } from '@nestjs/common';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { sendgridError } from './sendgrid-error.ts';

/** The fault plan with SendGrid's words: a 429 says when its window ends, in Unix seconds. */
@Injectable()
export class SendgridFaultInterceptor extends FaultInterceptor {
  protected override tooManyRequests(): Error {
    const reset = Math.ceil(Date.now() / 1000) + (this.faults.plan.retryAfterSeconds ?? 1);
    return sendgridError(429, 'too many requests', {
      'X-RateLimit-Limit': '600',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(reset),
    });
  }

  protected override serverFault(): Error {
    return sendgridError(500, 'internal server error');
  }
}
