import { Controller, Get, HttpCode, Inject, Post, Put, Req, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { flowDefinition } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { FlowBook } from './flow-book.ts';
import { checkFlow, type FlowFault } from './flow.rules.ts';
import {
  activation,
  flowHistory,
  flowList,
  nameParam,
  plainNameParam,
  putQuery,
  putResult,
  storedFlow,
  versionQuery,
} from './flow.schemas.ts';
import { activateFlow, findFlow, historyOf, listFlows, putFlow } from './flow.store.ts';
import { drawFlow } from './mermaid.rules.ts';
import { readFlow } from './read-flow.ts';

type Named = FastifyRequest & { tokenHolder?: { name?: string } };

const mermaid = 'text/vnd.mermaid';

@ApiTags('flows')
@Controller('v1/flows')
@UseGuards(ApiTokenGuard)
export class FlowController {
  readonly #transact: Transact;
  readonly #book: FlowBook;

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(FlowBook) book: FlowBook) {
    this.#transact = transact;
    this.#book = book;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: 'The flows of the tenant, each in its active version' })
  @ZodResponse(200, flowList)
  async list(@CurrentTenant() { name: tenant }: { name: string }) {
    return { flows: await this.#transact((tx) => listFlows(tx, tenant)) };
  }

  @Get(':name')
  @Scopes('read')
  @ApiOperation({
    summary: 'A flow as it was written',
    description: `Its active version, or another one. As a picture for Mermaid with Accept: ${mermaid}, or as <name>.mmd.`,
  })
  @ZodResponse(200, storedFlow)
  async read(
    @CurrentTenant() { name: tenant }: { name: string },
    @ZodParam('name', nameParam) asked: string,
    @ZodQuery(versionQuery) { version }: z.output<typeof versionQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const name = asked.replace(/\.mmd$/, '');
    const flow = await this.#transact((tx) => findFlow(tx, tenant, name, version));
    if (!flow) throw unknownFlow();
    const wantsPicture = name !== asked || (request.headers.accept ?? '').includes(mermaid);
    if (!wantsPicture) return flow;
    void reply.type(`${mermaid}; charset=utf-8`);
    return drawFlow(flowDefinition.parse(flow.definition));
  }

  @Get(':name/versions')
  @Scopes('read')
  @ApiOperation({ summary: 'Who made which version, and when which was active; the newest first' })
  @ZodResponse(200, flowHistory)
  async versions(@CurrentTenant() { name: tenant }: { name: string }, @ZodParam('name', plainNameParam) name: string) {
    const history = await this.#transact((tx) => historyOf(tx, tenant, name));
    if (history.versions.length === 0) throw unknownFlow();
    return history;
  }

  @Put(':name')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Store a flow as a new version',
    description:
      'A version never changes, and calls stay with the one they began with. JSON, or YAML as application/yaml. A flow with faults is refused; they are all named.',
  })
  @ZodResponse(200, putResult)
  async put(
    @CurrentTenant() { name: tenant }: { name: string },
    @ZodParam('name', plainNameParam) name: string,
    @ZodQuery(putQuery) { activate }: z.output<typeof putQuery>,
    @ZodBody(z.unknown()) body: unknown,
    @Req() request: Named,
  ) {
    const checked = typeof body === 'string' ? readFlow(body) : { ...checkFlow(body), written: body };
    if (!checked.ok) throw refused(checked.faults);
    const by = holderOf(request);
    const at = new Date();
    const stored = await this.#transact(async (tx) => {
      const { version, isNew } = await putFlow(tx, { tenant, name, definition: checked.written, by, at });
      if (activate === 'true') await activateFlow(tx, { tenant, name, version, by, at });
      return { ...(await findFlow(tx, tenant, name, version)), definition: undefined, isNew };
    });
    await this.#book.refresh();
    return stored;
  }

  @Post(':name/activate')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Have new calls begin with a version',
    description: 'An earlier one to go back to it. Holds for all replicas within a second or two.',
  })
  @ZodResponse(200, flowHistory)
  async activate(
    @CurrentTenant() { name: tenant }: { name: string },
    @ZodParam('name', plainNameParam) name: string,
    @ZodBody(activation) { version }: z.output<typeof activation>,
    @Req() request: Named,
  ) {
    const by = holderOf(request);
    const history = await this.#transact(async (tx) => {
      const isKnown = await activateFlow(tx, { tenant, name, version, by, at: new Date() });
      return isKnown ? historyOf(tx, tenant, name) : undefined;
    });
    if (!history) throw unknownFlow();
    await this.#book.refresh();
    return history;
  }
}

function holderOf({ tokenHolder }: Named): string {
  return tokenHolder?.name ?? 'unknown';
}

function unknownFlow(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no such flow, or no such version of it');
}

function refused(faults: readonly FlowFault[]): ProblemException {
  return new ProblemException(422, 'Flow with faults', 'Nothing was stored', {
    errors: faults.map(({ path, problem, remedy }) => ({
      pointer: path === 'flow' ? '#' : `#/${path.split('.').map(encodeURIComponent).join('/')}`,
      detail: `${problem}; ${remedy}`,
    })),
  });
}
