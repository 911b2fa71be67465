import { applyDecorators, Controller, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { BasicAuthGuard } from '../messages-api/basic-auth.guard.ts';
import { TwilioErrorFilter } from '../messages-api/twilio-error.ts';

/** A resource of Twilio's Verify API, version 2; the name of a handler is the operation of the fault plan. */
export const VerifyApi = (path: string): ClassDecorator =>
  applyDecorators(
    Controller(`v2/${path}`),
    UseGuards(BasicAuthGuard),
    UseInterceptors(FaultInterceptor),
    UseFilters(TwilioErrorFilter),
  );
