import { Body, Controller, Get, Post, Req, Res, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { BearerGuard, NeedsScope, type SendgridRequest } from './bearer.guard.ts';
import { Emails } from './emails.ts';
import { PayloadTooLarge, SendgridErrorFilter } from './sendgrid-error.ts';
import { SendgridFaultInterceptor } from './sendgrid-fault.interceptor.ts';

/** The limit of the whole email with its attachments; in JSON, where attachments are base64. */
export const maxMailBytes = 30 * 1024 * 1024;

/** `POST /v3/mail/send`. Source: SendGrid's OpenAPI, "Mail Send". */
@Controller('v3/mail')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('mail.send')
export class MailController {
  constructor(private readonly emails: Emails) {}

  @Post('send')
  create(
    @Req() request: SendgridRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body: unknown,
  ): undefined {
    if (Number(request.headers['content-length'] ?? 0) > maxMailBytes) throw new PayloadTooLarge();
    const { messageId, sandbox } = this.emails.send(request.sendgrid, body);
    void reply.status(sandbox ? 200 : 202);
    if (!sandbox) void reply.header('X-Message-Id', messageId);
  }
}

/** What the key may do. */
@Controller('v3/scopes')
@UseGuards(BearerGuard)
@UseFilters(SendgridErrorFilter)
export class ScopesController {
  @Get()
  list(@Req() { sendgrid: { scopes } }: SendgridRequest) {
    return { scopes: scopes ?? allScopes };
  }
}

const allScopes = [
  'mail.send',
  ...['suppression', 'asm.groups', 'templates', 'whitelabel', 'ips.pools'].flatMap((resource) =>
    ['create', 'read', 'update', 'delete'].map((verb) => `${resource}.${verb}`),
  ),
];
