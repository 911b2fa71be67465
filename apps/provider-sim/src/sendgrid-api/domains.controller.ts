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
import { ZodQuery } from '@signalbox/service';
import { z } from 'zod';
import { BearerGuard, NeedsScope, type SendgridRequest } from './bearer.guard.ts';
import { type Domain, domainResource, type Domains, validate } from './domains.ts';
import { sendgridError, SendgridErrorFilter } from './sendgrid-error.ts';
import { SendgridFaultInterceptor } from './sendgrid-fault.interceptor.ts';

const listQuery = z.object({
  domain: z.string().optional(),
  limit: z.coerce.number().int().min(1).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});

/** Domain authentication. Source: SendGrid's OpenAPI, "Domain Authentication". */
@Controller('v3/whitelabel/domains')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('whitelabel')
export class DomainsController {
  @Get()
  list(@Req() { sendgrid: { domains } }: SendgridRequest, @ZodQuery(listQuery) query: z.output<typeof listQuery>) {
    const { domain, limit, offset } = query;
    const found = domains.all.filter((one) => domain === undefined || one.domain === domain.toLowerCase());
    return found.slice(offset, offset + limit).map(domainResource);
  }

  @Post()
  create(@Req() { sendgrid: { domains } }: SendgridRequest, @Body() body: Partial<Domain> = {}) {
    if (!body.domain) throw sendgridError(400, 'domain is required');
    const { domain, subdomain = 'em', default: isDefault = false } = body;
    return domainResource(domains.put(domain, { subdomain, default: isDefault }));
  }

  @Get(':id')
  fetch(@Req() { sendgrid: { domains } }: SendgridRequest, @Param('id') id: string) {
    return domainResource(domainOf(domains, id));
  }

  @Post(':id/validate')
  @HttpCode(200)
  update(@Req() { sendgrid: { domains } }: SendgridRequest, @Param('id') id: string) {
    return validate(domainOf(domains, id));
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Req() { sendgrid: { domains } }: SendgridRequest, @Param('id') id: string): void {
    domains.remove(domainOf(domains, id).id);
  }
}

function domainOf(domains: Domains, id: string): Domain {
  const domain = domains.find(Number(id));
  if (!domain) throw sendgridError(404, 'resource not found');
  return domain;
}
