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
import { dateFilter, dateFilters, fromArray, type ListQuery, pageOf } from '../messages-api/page.ts';
import { TwilioError, TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { type Conference, Conferences, type Participant } from './conferences.ts';
import { conferenceResource, participantResource } from './resources.ts';

const root = (accountSid: string) => `/${API_VERSION}/Accounts/${accountSid}/Conferences`;

/** Twilio's Conferences and Participants API. */
@Controller('2010-04-01/Accounts/:accountSid/Conferences')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class ConferencesController {
  constructor(private readonly conferences: Conferences) {}

  @Get('/:sid.json')
  fetch(@Req() request: AuthenticatedRequest, @Param('sid') sid: string) {
    return conferenceResource(this.#find(request, sid));
  }

  @Post('/:sid.json')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const conference = this.#find(request, sid);
    if (form['Status'] !== undefined && form['Status'] !== 'completed')
      throw new TwilioError(20001, { detail: 'Status' });
    if (form['Status'] === 'completed') this.conferences.end(conference, 'conference-ended-via-api');
    return conferenceResource(conference);
  }

  @Get('/:sid/Participants.json')
  listParticipants(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Query() query: ListQuery) {
    const conference = this.#find(request, sid);
    const { Muted: muted, Hold: hold } = query;
    return pageOf(query, {
      path: `${root(conference.accountSid)}/${sid}/Participants.json`,
      name: 'participants',
      filters: ['Muted', 'Hold'],
      ...fromArray(conference.participants, ({ callSid }) => callSid),
      sidOf: ({ callSid }) => callSid,
      matches: (one) =>
        (muted === undefined || String(one.muted) === muted) && (hold === undefined || String(one.hold) === hold),
      show: (participant) => participantResource(conference, participant),
    });
  }

  @Get('/:sid/Participants/:callSid.json')
  fetchParticipant(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Param('callSid') callSid: string) {
    const conference = this.#find(request, sid);
    return participantResource(conference, participantOf(conference, callSid));
  }

  @Post('/:sid/Participants/:callSid.json')
  @HttpCode(200)
  updateParticipant(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('callSid') callSid: string,
    @Body() form: Form = {},
  ) {
    const conference = this.#find(request, sid);
    const participant = participantOf(conference, callSid);
    const truth = (name: string) => (form[name] === undefined ? {} : { [name.toLowerCase()]: form[name] === 'true' });
    this.conferences.change(conference, participant, { ...truth('Muted'), ...truth('Hold') });
    if (form['EndConferenceOnExit'] !== undefined) participant.endsConference = form['EndConferenceOnExit'] === 'true';
    return participantResource(conference, participant);
  }

  @Delete('/:sid/Participants/:callSid.json')
  @HttpCode(204)
  removeParticipant(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('callSid') callSid: string,
  ): void {
    const conference = this.#find(request, sid);
    const participant = participantOf(conference, callSid);
    this.conferences.leave(conference, participant, true);
    participant.line.release('kicked');
  }

  #find({ account }: AuthenticatedRequest, sid: string): Conference {
    const conference = this.conferences.find(account.accountSid, sid);
    if (!conference) throw new TwilioError(20404);
    return conference;
  }
}

/** Beside the above, because its path is not below `/Conferences/`. */
@Controller('2010-04-01/Accounts/:accountSid')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class ConferenceListController {
  constructor(private readonly conferences: Conferences) {}

  @Get('Conferences.json')
  list(@Req() { account }: AuthenticatedRequest, @Query() query: ListQuery) {
    const created = dateFilter(query, 'DateCreated');
    const updated = dateFilter(query, 'DateUpdated');
    const { FriendlyName: name, Status: status } = query;
    return pageOf(query, {
      path: `${root(account.accountSid)}.json`,
      name: 'conferences',
      filters: ['FriendlyName', 'Status', ...dateFilters('DateCreated'), ...dateFilters('DateUpdated')],
      ...fromArray(this.conferences.of(account.accountSid), ({ sid }) => sid),
      sidOf: ({ sid }) => sid,
      matches: (one) =>
        (name === undefined || one.friendlyName === name) &&
        (status === undefined || one.status === status) &&
        created(one.createdAt) &&
        updated(one.updatedAt),
      show: conferenceResource,
    });
  }
}

function participantOf(conference: Conference, callSid: string): Participant {
  const participant = conference.participants.find((one) => one.callSid === callSid);
  if (!participant) throw new TwilioError(20404);
  return participant;
}
