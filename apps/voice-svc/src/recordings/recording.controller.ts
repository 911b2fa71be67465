import {
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Req,
  Res,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { type CloudEvent, type RecordingAccessed, topics } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { Outbox, run, type Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  type TokenHolder,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { type Tenant } from '@signalbox/tenants';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import { recordingAccesses } from '../metrics.ts';
import { RecordingMedia } from './media.ts';
import { eventKeyOf, type Recording } from './recording.ts';
import {
  mediaQuery,
  type RecordingBody,
  recordingId,
  recordingPage,
  type RecordingQuery,
  recordingQuery,
  recordingStory,
} from './recording.schemas.ts';
import { type Access, noteAccess, type RecordingRow, toRecording } from './recording.store.ts';

type Holder = { tokenHolder?: TokenHolder & { name?: string } };

@ApiTags('recordings')
@Controller('v1/recordings')
@UseGuards(ApiTokenGuard)
export class RecordingController {
  readonly #media: RecordingMedia;
  readonly #transact: Transact;
  readonly #db: DataSource;
  readonly #log: Logger;
  readonly #outbox = new Outbox();

  constructor(
    @Inject(RecordingMedia) media: RecordingMedia,
    @Inject(TRANSACT) transact: Transact,
    @Inject(DataSource) db: DataSource,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#log = log;
    this.#media = media;
    this.#transact = transact;
    this.#db = db;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'List recordings, newest first' })
  @ZodResponse(200, recordingPage)
  async list(@CurrentTenant() tenant: { name: string }, @ZodQuery(recordingQuery) query: RecordingQuery) {
    const parameters: unknown[] = [tenant.name];
    const conditions = ['tenant = $1'];
    const add = (condition: (parameter: string) => string, value: unknown) => {
      parameters.push(value);
      conditions.push(condition(`$${parameters.length}`));
    };
    if (query.callId !== undefined) add((p) => `call_id = ${p}`, query.callId);
    if (query.callSid !== undefined) add((p) => `call_sid = ${p}`, query.callSid);
    if (query.state !== undefined) add((p) => `state = ${p}`, query.state);
    if (query.before !== undefined) {
      add(
        (p) =>
          `(created_at, recording_sid) < (select created_at, recording_sid from recordings where tenant = $1 and recording_sid = ${p})`,
        query.before,
      );
    }
    parameters.push(query.limit + 1);
    const rows = await this.#db.query<RecordingRow[]>(
      `select * from recordings where ${conditions.join(' and ')}
       order by created_at desc, recording_sid desc limit $${parameters.length}`,
      parameters,
    );
    const recordings = rows.slice(0, query.limit).map(toRecording).map(show);
    const more = rows.length > query.limit;
    return { recordings, nextBefore: more ? (recordings.at(-1)?.recordingId ?? null) : null };
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({ summary: 'A recording, what it cost, when it is deleted, and who has heard it' })
  @ZodResponse(200, recordingStory)
  async story(@CurrentTenant() tenant: { name: string }, @ZodParam('id', recordingId) id: string) {
    const recording = await this.#find(tenant.name, id);
    const accesses = await this.#db.query<{ by: string; at: Date; range: string | null }[]>(
      'select by, at, range from recording_accesses where tenant = $1 and recording_sid = $2 order by id desc limit 100',
      [tenant.name, id],
    );
    return { ...show(recording), accesses: accesses.map((one) => ({ ...one, at: one.at.toISOString() })) };
  }

  /** Handed through from the provider: there is no URL that anybody could pass on. */
  @Get(':id/media')
  @Scopes('read')
  @ApiOperation({
    summary: 'The sound of a recording',
    description:
      'Every request is kept with the name of its token, and told as voice.recording.accessed.v1. A `Range` of one part is honoured.',
  })
  @ApiProduces('audio/x-wav', 'audio/mpeg')
  async media(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('id', recordingId) id: string,
    @ZodQuery(mediaQuery) { format }: z.output<typeof mediaQuery>,
    @Headers('range') range: string | undefined,
    @Req() request: Holder,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const recording = await this.#find(tenant.name, id);
    if (recording.state === 'deleted') throw this.#refused(410, 'Gone', 'This recording was deleted');
    if (recording.erased) throw this.#refused(410, 'Gone', 'Whose recording this is was erased: it is being deleted');
    if (recording.state !== 'completed') throw this.#refused(409, 'No sound', `The recording is ${recording.state}`);
    const by = request.tokenHolder?.name ?? 'unnamed token';
    // Before the first byte: nobody hears anything of which nothing is known afterwards.
    await this.#audit(recording, { recordingSid: id, tenant: tenant.name, by, range: range?.slice(0, 200) ?? null });
    const answer = await this.#media
      .open(tenant, id, format, range)
      .catch((err: unknown) => ({ kind: 'failed', err }) as const);
    switch (answer.kind) {
      case 'sound': {
        const { status, headers, body } = answer.sound;
        recordingAccesses.inc({ status: String(status) });
        void reply
          .status(status)
          .headers({ ...headers, 'accept-ranges': 'bytes', 'cache-control': 'private, no-store' });
        return new StreamableFile(body);
      }
      case 'gone':
        throw this.#refused(410, 'Gone', 'The provider has this recording no more');
      case 'unsatisfiable':
        throw this.#refused(416, 'Range Not Satisfiable', 'The recording is shorter than that');
      case 'failed':
        this.#log.warn({ recordingSid: id, ...answer }, 'the provider did not hand out the sound of a recording');
        throw this.#refused(502, 'Bad Gateway', 'The provider did not hand the recording out; try again');
    }
  }

  @Delete(':id')
  @HttpCode(202)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Delete a recording at the provider, before its time',
    description: 'Events tell when it is proven to be gone.',
  })
  async remove(@CurrentTenant() tenant: { name: string }, @ZodParam('id', recordingId) id: string): Promise<void> {
    await this.#find(tenant.name, id);
    await this.#transact((tx) =>
      run(
        tx,
        `update recordings set delete_at = least(delete_at, now()), deletion_try_at = null
         where tenant = $1 and recording_sid = $2 and proven_at is null`,
        [tenant.name, id],
      ),
    );
  }

  async #audit(recording: Recording, asked: Omit<Access, 'at'>): Promise<void> {
    const at = new Date().toISOString();
    const data: RecordingAccessed = {
      tenant: asked.tenant,
      recordingId: asked.recordingSid,
      by: asked.by,
      at,
      range: asked.range,
    };
    const event: CloudEvent = {
      id: uuidv7(),
      source: '//signalbox/voice-svc',
      type: 'voice.recording.accessed.v1',
      time: at,
      subject: asked.recordingSid,
      data,
    };
    await this.#transact(async (tx) => {
      await noteAccess(tx, { ...asked, at });
      await this.#outbox.append(tx, [{ topic: topics.voiceEvents.name, key: eventKeyOf(recording), event }]);
    });
  }

  async #find(tenant: string, id: string): Promise<Recording> {
    const [row] = await this.#db.query<RecordingRow[]>(
      'select * from recordings where recording_sid = $1 and tenant = $2',
      [id, tenant],
    );
    if (!row) throw new ProblemException(404, 'Not Found', 'This tenant has no recording with this id');
    return toRecording(row);
  }

  #refused(status: number, title: string, detail: string): ProblemException {
    recordingAccesses.inc({ status: String(status) });
    return new ProblemException(status, title, detail);
  }
}

function show(recording: Recording): RecordingBody {
  const { recordingSid, tenant: _tenant, sequence: _sequence, erased: _erased, ...known } = recording;
  const { deletedAt, provenAt, proofStatus, ...rest } = known;
  const proven = deletedAt !== null && provenAt !== null && proofStatus !== null;
  return {
    recordingId: recordingSid,
    ...rest,
    deletion: proven ? { at: deletedAt, provenAt, fetchStatus: proofStatus } : null,
  };
}
