import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { type AuthenticatedRequest, BasicAuthGuard } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { API_VERSION } from '../messages-api/message-resource.ts';
import { fromArray, type ListQuery, pageOf } from '../messages-api/page.ts';
import { TwilioError, TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { readSource } from './call-request.rules.ts';
import { type Member, type Queue, Queues } from './queues.ts';
import { memberResource, queueResource } from './resources.ts';

/** Twilio's Queues and Members API. */
@Controller('2010-04-01/Accounts/:accountSid')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class QueuesController {
  constructor(private readonly queues: Queues) {}

  @Post('Queues.json')
  create(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    const name = form['FriendlyName'];
    if (typeof name !== 'string' || name === '') throw new TwilioError(20001, { detail: 'FriendlyName' });
    // Twilio's code for a name that is taken.
    if (this.queues.named(account.accountSid, name)) throw new TwilioError(22003, { detail: name });
    const size = sizeOf(form);
    return queueResource(this.queues.create(account.accountSid, name, size), Date.now());
  }

  @Get('Queues.json')
  list(@Req() { account }: AuthenticatedRequest, @Query() query: ListQuery) {
    const now = Date.now();
    return pageOf(query, {
      path: `/${API_VERSION}/Accounts/${account.accountSid}/Queues.json`,
      name: 'queues',
      filters: [],
      ...fromArray(this.queues.of(account.accountSid), ({ sid }) => sid),
      sidOf: ({ sid }) => sid,
      matches: () => true,
      show: (queue) => queueResource(queue, now),
    });
  }

  @Get('Queues/:sid.json')
  fetch(@Req() request: AuthenticatedRequest, @Param('sid') sid: string) {
    return queueResource(this.#find(request, sid), Date.now());
  }

  @Post('Queues/:sid.json')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const queue = this.#find(request, sid);
    if (typeof form['FriendlyName'] === 'string') queue.friendlyName = form['FriendlyName'];
    queue.maxSize = sizeOf(form) ?? queue.maxSize;
    queue.updatedAt = Date.now();
    return queueResource(queue, queue.updatedAt);
  }

  @Delete('Queues/:sid.json')
  @HttpCode(204)
  remove(@Req() request: AuthenticatedRequest, @Param('sid') sid: string): void {
    const queue = this.#find(request, sid);
    if (queue.members.length > 0) throw new TwilioError(20001, { detail: 'the queue is not empty' });
    this.queues.remove(queue);
  }

  @Get('Queues/:sid/Members.json')
  listMembers(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Query() query: ListQuery) {
    const queue = this.#find(request, sid);
    const now = Date.now();
    return pageOf(query, {
      path: `/${API_VERSION}/Accounts/${queue.accountSid}/Queues/${sid}/Members.json`,
      name: 'queue_members',
      filters: [],
      ...fromArray(queue.members.toReversed(), ({ callSid }) => callSid),
      sidOf: ({ callSid }) => callSid,
      matches: () => true,
      show: (member) => memberResource(queue, member, now),
    });
  }

  @Get('Queues/:sid/Members/:callSid.json')
  fetchMember(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Param('callSid') callSid: string) {
    const queue = this.#find(request, sid);
    return memberResource(queue, memberOf(queue, callSid), Date.now());
  }

  /** Takes the caller out of the queue and lets them hear the document at Url. */
  @Post('Queues/:sid/Members/:callSid.json')
  @HttpCode(200)
  updateMember(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('callSid') callSid: string,
    @Body() form: Form = {},
  ) {
    const queue = this.#find(request, sid);
    const member = memberOf(queue, callSid);
    const source = readSource(form);
    if (!source) throw new TwilioError(21205, { detail: 'Url' });
    const answer = memberResource(queue, member, Date.now());
    member.dequeue({ redirect: source });
    return answer;
  }

  #find({ account }: AuthenticatedRequest, sid: string): Queue {
    const queue = this.queues.find(account.accountSid, sid);
    if (!queue) throw new TwilioError(20404);
    return queue;
  }
}

function sizeOf(form: Form): number | undefined {
  const text = form['MaxSize'];
  if (text === undefined) return undefined;
  if (typeof text !== 'string' || !/^[1-9]\d{0,3}$/.test(text) || Number(text) > 5_000)
    throw new TwilioError(20001, { detail: 'MaxSize' });
  return Number(text);
}

/** `Front` is who waits longest. */
function memberOf(queue: Queue, callSid: string): Member {
  const member = callSid === 'Front' ? queue.members[0] : queue.members.find((one) => one.callSid === callSid);
  if (!member) throw new TwilioError(20404);
  return member;
}
