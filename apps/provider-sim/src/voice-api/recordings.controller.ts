import {
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Query,
  Req,
  Res,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { type AuthenticatedRequest, BasicAuthGuard } from '../messages-api/basic-auth.guard.ts';
import { API_VERSION } from '../messages-api/message-resource.ts';
import { dateFilter, dateFilters, fromArray, type ListQuery, pageOf } from '../messages-api/page.ts';
import { TwilioError, TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { type Recording, Recordings, soundOf } from './recordings.ts';
import { recordingResource } from './resources.ts';

/** Twilio's Recordings API and the sound itself, which wants the same credentials. */
@Controller('2010-04-01/Accounts/:accountSid')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class RecordingsController {
  constructor(private readonly recordings: Recordings) {}

  @Get('Recordings.json')
  list(@Req() { account }: AuthenticatedRequest, @Query() query: ListQuery) {
    const created = dateFilter(query, 'DateCreated');
    const { CallSid: callSid, ConferenceSid: conferenceSid, IncludeSoftDeleted: deletedToo } = query;
    return pageOf(query, {
      path: `/${API_VERSION}/Accounts/${account.accountSid}/Recordings.json`,
      name: 'recordings',
      filters: ['CallSid', 'ConferenceSid', 'IncludeSoftDeleted', ...dateFilters('DateCreated')],
      ...fromArray(this.recordings.of(account.accountSid), ({ sid }) => sid),
      sidOf: ({ sid }) => sid,
      matches: (recording) =>
        (callSid === undefined || recording.callSid === callSid) &&
        (conferenceSid === undefined || recording.conferenceSid === conferenceSid) &&
        (deletedToo === 'true' || recording.status !== 'deleted') &&
        created(recording.createdAt),
      show: recordingResource,
    });
  }

  @Get('Recordings/:file')
  fetch(
    @Req() { account }: AuthenticatedRequest,
    @Param('file') file: string,
    @Query('IncludeSoftDeleted') deletedToo: string | undefined,
    @Headers('range') range: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const [sid = '', extension] = file.split('.');
    const recording = this.recordings.find(account.accountSid, sid);
    if (!recording || (recording.status === 'deleted' && deletedToo !== 'true')) throw new TwilioError(20404);
    if (extension === 'json') return recordingResource(recording);
    if (recording.status !== 'completed') throw new TwilioError(20404);
    return sendSound(reply, recording, extension === 'mp3' ? 'audio/mpeg' : 'audio/x-wav', range);
  }

  @Delete('Recordings/:sid.json')
  @HttpCode(204)
  remove(@Req() { account }: AuthenticatedRequest, @Param('sid') sid: string): void {
    const recording = this.recordings.find(account.accountSid, sid);
    if (!recording || recording.status === 'deleted') throw new TwilioError(20404);
    this.recordings.remove(recording);
  }
}

/** The sound, or the part of it that is asked for. */
function sendSound(reply: FastifyReply, recording: Recording, type: string, range: string | undefined): Buffer {
  const sound = soundOf(recording);
  void reply.type(type).header('accept-ranges', 'bytes');
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!asked) return sound;
  const start = Number(asked[1]);
  const end = Math.min(asked[2] ? Number(asked[2]) : sound.length - 1, sound.length - 1);
  void reply.status(206).header('content-range', `bytes ${start}-${end}/${sound.length}`);
  return sound.subarray(start, end + 1);
}
