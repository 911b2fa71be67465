import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Req,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { BearerGuard, NeedsScope, type SendgridRequest } from './bearer.guard.ts';
import { sendgridError, SendgridErrorFilter } from './sendgrid-error.ts';
import { SendgridFaultInterceptor } from './sendgrid-fault.interceptor.ts';
import type { Template, Templates, TemplateVersion, VersionFields } from './templates.ts';

interface PageQuery {
  readonly generations?: string;
  readonly page_size?: string;
  readonly page_token?: string;
}

/** Bytes of a version's content. */
const MAX_CONTENT = 1_048_576;

/** Transactional templates and their versions. Source: SendGrid's OpenAPI, "Transactional Templates". */
@Controller('v3/templates')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('templates')
export class TemplatesController {
  @Get()
  list(@Req() { sendgrid: { templates } }: SendgridRequest, @Query() query: PageQuery) {
    const size = Number(query.page_size ?? 200);
    if (!(size >= 1 && size <= 200)) throw sendgridError(400, 'page_size must be between 1 and 200');
    // Without the parameter the API lists the legacy generation only.
    const generations = (query.generations ?? 'legacy').split(',');
    const all = templates.all.filter(({ generation }) => generations.includes(generation));
    const from = Number(query.page_token ?? 0);
    const next = from + size < all.length ? `/v3/templates?page_size=${size}&page_token=${from + size}` : undefined;
    return { result: all.slice(from, from + size), _metadata: { count: all.length, ...(next && { next }) } };
  }

  @Post()
  create(@Req() { sendgrid: { templates } }: SendgridRequest, @Body() body: Partial<Template> = {}) {
    if (!body.name || body.name.length > 100) throw sendgridError(400, 'name must have 1 to 100 characters');
    return templates.create(body.name, body.generation ?? 'legacy', new Date());
  }

  @Get(':id')
  fetch(@Req() { sendgrid: { templates } }: SendgridRequest, @Param('id') id: string): Template {
    return templateOf(templates, id);
  }

  @Patch(':id')
  update(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Body() body: { name?: string } = {},
  ) {
    const template = templateOf(templates, id);
    if (body.name) templates.rename(template, body.name, new Date());
    return template;
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Req() { sendgrid: { templates } }: SendgridRequest, @Param('id') id: string): void {
    templates.remove(templateOf(templates, id));
  }

  @Post(':id/versions')
  createVersion(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Body() body: VersionFields = {},
  ) {
    const template = templateOf(templates, id);
    if (!body.name || body.name.length > 100) throw sendgridError(400, 'name must have 1 to 100 characters');
    if (!body.subject || body.subject.length > 255) throw sendgridError(400, 'subject must have 1 to 255 characters');
    refuseLarge(body);
    return templates.addVersion(template, body, new Date());
  }

  @Get(':id/versions/:version')
  fetchVersion(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Param('version') version: string,
  ) {
    return versionOf(templateOf(templates, id), version);
  }

  @Patch(':id/versions/:version')
  updateVersion(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Param('version') version: string,
    @Body() body: VersionFields = {},
  ) {
    const template = templateOf(templates, id);
    const found = versionOf(template, version);
    refuseLarge(body);
    templates.changeVersion(template, found, body, new Date());
    return found;
  }

  @Post(':id/versions/:version/activate')
  @HttpCode(200)
  activate(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Param('version') version: string,
  ) {
    const template = templateOf(templates, id);
    const found = versionOf(template, version);
    templates.activate(template, found, new Date());
    return found;
  }

  @Delete(':id/versions/:version')
  @HttpCode(204)
  removeVersion(
    @Req() { sendgrid: { templates } }: SendgridRequest,
    @Param('id') id: string,
    @Param('version') version: string,
  ): void {
    const template = templateOf(templates, id);
    templates.removeVersion(template, versionOf(template, version));
  }
}

function templateOf(templates: Templates, id: string): Template {
  const template = templates.find(id);
  if (!template) throw sendgridError(404, 'template not found');
  return template;
}

function versionOf(template: Template, id: string): TemplateVersion {
  const version = template.versions.find((one) => one.id === id);
  if (!version) throw sendgridError(404, 'template version not found');
  return version;
}

function refuseLarge({ html_content = '', plain_content = '' }: VersionFields): void {
  if (Buffer.byteLength(html_content) > MAX_CONTENT || Buffer.byteLength(plain_content) > MAX_CONTENT) {
    throw sendgridError(400, `content must not be above ${MAX_CONTENT} bytes`);
  }
}
