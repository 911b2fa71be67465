import { Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import type { z } from 'zod';
import { Templates } from './templates.ts';
import { preview, previewRequest, templateList, templateName } from './templates.schemas.ts';
import type { DataFault } from './template.rules.ts';

@ApiTags('templates')
@Controller('v1/templates')
@UseGuards(ApiTokenGuard)
export class TemplatesController {
  readonly #templates: Templates;

  constructor(@Inject(Templates) templates: Templates) {
    this.#templates = templates;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'List the templates there are, with the data they take' })
  @ZodResponse(200, templateList)
  list(@CurrentTenant() tenant: { name: string }) {
    const all = this.#templates.of(tenant.name);
    return { templates: all.map(({ name, version, variables }) => ({ name, version, variables })) };
  }

  @Post(':name/preview')
  @HttpCode(200)
  @Scopes('read')
  @ApiOperation({
    summary: 'Render a template',
    description: 'Nothing is sent. 422 names each variable that is missing.',
  })
  @ZodResponse(200, preview)
  preview(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('name', templateName) name: string,
    @ZodBody(previewRequest) { data }: z.output<typeof previewRequest>,
  ) {
    const template = this.#templates.find(tenant.name, name);
    if (!template) throw new ProblemException(404, 'Not Found', 'This tenant has no template of this name');
    const faults = template.missing(data);
    if (faults.length > 0) throw unfitting(name, '#/data', faults);
    return { name, version: template.version, ...template.render(data) };
  }
}

/** @param pointer where the data stands in the request */
export function unfitting(name: string, pointer: string, faults: readonly DataFault[]): ProblemException {
  const escaped = (step: string | number) => String(step).replaceAll('~', '~0').replaceAll('/', '~1');
  const errors = faults.map(({ path, detail }) => ({ pointer: [pointer, ...path.map(escaped)].join('/'), detail }));
  return new ProblemException(422, 'Template data', `The data does not fit the template ${name}`, { errors });
}
