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
import { type Group, type ListEntry, type ListName, listNames, type SuppressionLists } from './suppression-lists.ts';

interface ListQuery {
  readonly start_time?: string;
  readonly end_time?: string;
  readonly limit?: string;
  readonly offset?: string;
}

/** Bounces, blocks, invalid emails, spam reports and global unsubscribes. Source: SendGrid's OpenAPI, "Suppression Management". */
@Controller('v3/suppression')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('suppression')
export class SuppressionsController {
  @Get(':list')
  list(@Req() { sendgrid }: SendgridRequest, @Param('list') list: string, @Query() query: ListQuery): ListEntry[] {
    const from = Number(query.start_time ?? 0);
    const to = Number(query.end_time ?? Infinity);
    const offset = Number(query.offset ?? 0);
    return sendgrid.suppressions
      .list(nameOf(list))
      .filter(({ created }) => created >= from && created <= to)
      .slice(offset, offset + Number(query.limit ?? Infinity));
  }

  @Get(':list/:email')
  fetch(@Req() { sendgrid }: SendgridRequest, @Param('list') list: string, @Param('email') email: string): ListEntry[] {
    const entry = sendgrid.suppressions.entry(nameOf(list), email);
    return entry ? [entry] : [];
  }

  @Delete(':list')
  @HttpCode(204)
  removeMany(
    @Req() { sendgrid }: SendgridRequest,
    @Param('list') list: string,
    @Body() body: { delete_all?: boolean; emails?: string[] } = {},
  ): void {
    const name = nameOf(list);
    if (body.delete_all) sendgrid.suppressions.removeAll(name);
    for (const email of body.emails ?? []) sendgrid.suppressions.remove(name, email);
  }

  @Delete(':list/:email')
  @HttpCode(204)
  remove(@Req() { sendgrid }: SendgridRequest, @Param('list') list: string, @Param('email') email: string): void {
    if (!sendgrid.suppressions.remove(nameOf(list), email)) throw sendgridError(404, 'not found');
  }
}

/** Unsubscribe groups and who left them, and the global unsubscribes by their other name. Source: SendGrid's OpenAPI, "Suppressions". */
@Controller('v3/asm')
@UseGuards(BearerGuard)
@UseInterceptors(SendgridFaultInterceptor)
@UseFilters(SendgridErrorFilter)
@NeedsScope('asm.groups')
export class GroupsController {
  @Get('groups')
  list(@Req() { sendgrid }: SendgridRequest) {
    return sendgrid.suppressions.groups.map((group) => view(sendgrid.suppressions, group));
  }

  @Post('groups')
  create(
    @Req() { sendgrid }: SendgridRequest,
    @Body() body: { name?: string; description?: string; is_default?: boolean } = {},
  ) {
    if (!body.name) throw sendgridError(400, 'name is required');
    const { name, description = '', is_default = false } = body;
    return view(sendgrid.suppressions, sendgrid.suppressions.createGroup({ name, description, is_default }));
  }

  @Get('groups/:id')
  fetch(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string) {
    return view(sendgrid.suppressions, groupOf(sendgrid.suppressions, id));
  }

  @Patch('groups/:id')
  update(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string, @Body() body: Partial<Group> = {}) {
    const group = groupOf(sendgrid.suppressions, id);
    Object.assign(group, body.name && { name: body.name }, body.description && { description: body.description });
    return view(sendgrid.suppressions, group);
  }

  @Delete('groups/:id')
  @HttpCode(204)
  removeGroup(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string): void {
    sendgrid.suppressions.removeGroup(groupOf(sendgrid.suppressions, id).id);
  }

  @Get('groups/:id/suppressions')
  listMembers(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string): string[] {
    return [...sendgrid.suppressions.members(groupOf(sendgrid.suppressions, id).id).keys()];
  }

  @Post('groups/:id/suppressions')
  addMembers(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string, @Body() body: unknown) {
    const emails = recipientsOf(body);
    const { id: group } = groupOf(sendgrid.suppressions, id);
    for (const email of emails) sendgrid.suppressions.join(group, email, seconds());
    return { recipient_emails: emails };
  }

  @Delete('groups/:id/suppressions/:email')
  @HttpCode(204)
  removeMember(@Req() { sendgrid }: SendgridRequest, @Param('id') id: string, @Param('email') email: string): void {
    sendgrid.suppressions.leave(groupOf(sendgrid.suppressions, id).id, email);
  }

  @Get('suppressions')
  listAll(@Req() { sendgrid: { suppressions } }: SendgridRequest) {
    return suppressions.groups.flatMap(({ id, name }) =>
      [...suppressions.members(id)].map(([email, since]) => {
        return { email, group_id: id, group_name: name, created_at: since };
      }),
    );
  }

  @Post('suppressions/global')
  addGlobal(@Req() { sendgrid }: SendgridRequest, @Body() body: unknown) {
    const emails = recipientsOf(body);
    for (const email of emails) sendgrid.suppressions.add('unsubscribes', { email, created: seconds() });
    return { recipient_emails: emails };
  }

  @Get('suppressions/global/:email')
  fetchGlobal(@Req() { sendgrid }: SendgridRequest, @Param('email') email: string) {
    return sendgrid.suppressions.entry('unsubscribes', email) ? { recipient_email: email } : {};
  }

  @Delete('suppressions/global/:email')
  @HttpCode(204)
  removeGlobal(@Req() { sendgrid }: SendgridRequest, @Param('email') email: string): void {
    sendgrid.suppressions.remove('unsubscribes', email);
  }
}

function nameOf(list: string): ListName {
  const name = listNames.find((known) => known === list);
  if (!name) throw sendgridError(404, 'not found');
  return name;
}

function groupOf(lists: SuppressionLists, id: string): Group {
  const group = lists.group(Number(id));
  if (!group) throw sendgridError(404, 'resource not found');
  return group;
}

function view(lists: SuppressionLists, group: Group) {
  return { ...group, last_email_sent_at: null, unsubscribes: lists.members(group.id).size };
}

function recipientsOf(body: unknown): string[] {
  const emails = (body as { recipient_emails?: unknown } | null)?.recipient_emails;
  if (!Array.isArray(emails) || emails.length === 0 || !emails.every((email) => typeof email === 'string')) {
    throw sendgridError(400, 'recipient_emails must be a list of addresses');
  }
  return emails;
}

const seconds = () => Math.floor(Date.now() / 1000);
