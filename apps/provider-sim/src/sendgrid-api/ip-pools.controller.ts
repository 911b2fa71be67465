import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Req,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { BearerGuard, NeedsScope, type SendgridRequest } from './bearer.guard.ts';
import { sendgridError, SendgridErrorFilter } from './sendgrid-error.ts';
import { SendgridFaultInterceptor } from './sendgrid-fault.interceptor.ts';

/** What an account may have. */
const maxPools = 100;

/** IP pools, without the addresses in them. Source: SendGrid's OpenAPI, "IP Pools". */
@Controller('v3/ips/pools')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('ips.pools')
export class IpPoolsController {
  @Get()
  list(@Req() { sendgrid: { pools } }: SendgridRequest) {
    return [...pools].map((name) => ({ name }));
  }

  @Post()
  @HttpCode(200)
  create(@Req() { sendgrid: { pools } }: SendgridRequest, @Body() body: { name?: unknown } = {}) {
    const { name } = body;
    if (typeof name !== 'string' || name === '' || name.length > 64) {
      throw sendgridError(400, 'pool name must have 1 to 64 characters');
    }
    if (!pools.has(name) && pools.size >= maxPools) throw sendgridError(403, 'cannot create more than 100 pools');
    pools.add(name);
    return { name };
  }

  @Delete(':name')
  @HttpCode(204)
  remove(@Req() { sendgrid: { pools } }: SendgridRequest, @Param('name') name: string): void {
    if (!pools.delete(name)) throw sendgridError(404, 'Unable to locate specified IPs Pool');
  }
}
