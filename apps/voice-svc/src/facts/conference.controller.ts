import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { timestamp } from '@signalbox/contracts';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import { DataSource } from 'typeorm';
import { z } from 'zod';

const conference = z.object({
  conferenceSid: z.string(),
  name: z.string(),
  state: z.enum(['waiting', 'running', 'ended']),
  startedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
  reason: z.string().nullable().meta({ description: 'Why it ended, in the words of Twilio' }),
});

const conferenceStory = conference
  .extend({
    participants: z.array(
      z.object({
        callSid: z.string(),
        joinedAt: timestamp.nullable(),
        leftAt: timestamp.nullable(),
        muted: z.boolean().nullable(),
        hold: z.boolean().nullable(),
      }),
    ),
  })
  .meta({ id: 'Conference' });

const conferenceList = z.object({ conferences: z.array(conference) }).meta({ id: 'ConferenceList' });

const conferenceQuery = z.object({
  name: z.string().max(200).optional(),
  running: z.literal('true').optional().meta({ description: 'Only those that have not ended' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

interface ConferenceRow {
  readonly conference_sid: string;
  readonly name: string;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly reason: string | null;
}

interface ParticipantRow {
  readonly call_sid: string;
  readonly joined_at: Date | null;
  readonly left_at: Date | null;
  readonly muted: boolean | null;
  readonly hold: boolean | null;
}

/** Conferences as callbacks tell of them. */
@ApiTags('conferences')
@Controller('v1/conferences')
@UseGuards(ApiTokenGuard)
@Scopes('read')
export class ConferenceController {
  readonly #db: DataSource;

  constructor(@Inject(DataSource) db: DataSource) {
    this.#db = db;
  }

  @Get()
  @ApiOperation({ summary: 'List conferences, those that changed last first' })
  @ZodResponse(200, conferenceList)
  async list(
    @CurrentTenant() tenant: { name: string },
    @ZodQuery(conferenceQuery) { name, running, limit }: z.output<typeof conferenceQuery>,
  ) {
    const rows = await this.#db.query<ConferenceRow[]>(
      `select * from conferences where tenant = $1 and ($2::text is null or name = $2) and ($3::bool is not true or ended_at is null)
       order by updated_at desc limit $4`,
      [tenant.name, name ?? null, running === 'true', limit],
    );
    return { conferences: rows.map(show) };
  }

  @Get(':sid')
  @ApiOperation({ summary: 'A conference and who was, or is, in it' })
  @ZodResponse(200, conferenceStory)
  async story(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('sid', z.string().regex(/^CF[0-9a-f]{32}$/, 'must be CF and 32 hex digits')) sid: string,
  ) {
    const [row] = await this.#db.query<ConferenceRow[]>(
      'select * from conferences where conference_sid = $1 and tenant = $2',
      [sid, tenant.name],
    );
    if (!row) throw new ProblemException(404, 'Not Found', 'This tenant has no conference with this SID');
    const participants = await this.#db.query<ParticipantRow[]>(
      'select * from conference_participants where tenant = $1 and conference_sid = $2 order by joined_at, call_sid',
      [tenant.name, sid],
    );
    return {
      ...show(row),
      participants: participants.map(({ call_sid, joined_at, left_at, muted, hold }) => ({
        callSid: call_sid,
        joinedAt: joined_at?.toISOString() ?? null,
        leftAt: left_at?.toISOString() ?? null,
        muted,
        hold,
      })),
    };
  }
}

function show(row: ConferenceRow): z.output<typeof conference> {
  return {
    conferenceSid: row.conference_sid,
    name: row.name,
    state: row.ended_at ? 'ended' : row.started_at ? 'running' : 'waiting',
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    reason: row.reason,
  };
}
