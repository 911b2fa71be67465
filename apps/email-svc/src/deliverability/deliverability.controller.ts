import { Controller, Delete, Get, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import { QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  type TokenHolder,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { knownMailboxProviders, type Tenant } from '@signalbox/tenants';
import type { z } from 'zod';
import { noCounts, type StreamName } from './count.rules.ts';
import { Deliverability } from './deliverability.ts';
import { streamsOf, viewOf } from './deliverability.queries.ts';
import {
  deliverability,
  type DeliverabilityBody,
  domainList,
  type DomainView,
  liftQuery,
  providerParam,
  stopBody,
  streamParam,
  type StreamView,
  streamView,
} from './deliverability.schemas.ts';
import { type CheckedDomain, readDomains } from './domain.store.ts';
import type { StreamMove } from './stream.events.ts';
import { recentChanges } from './stream.store.ts';
import { liftStream, policyOf, stopStream } from './watch.ts';

const maxChanges = 100;

interface Authorized {
  readonly tokenHolder?: TokenHolder & { name?: string };
}

@ApiTags('deliverability')
@Controller('v1/deliverability')
@UseGuards(ApiTokenGuard)
export class DeliverabilityController {
  readonly #transact: Transact;
  readonly #quotas: QuotaBook;
  readonly #deliverability: Deliverability;
  readonly #log: Logger;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(Deliverability) watched: Deliverability,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#quotas = quotas;
    this.#deliverability = watched;
    this.#log = log;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({
    summary: 'How mailbox providers take what is sent',
    description:
      'By stream and provider: what was counted in the window, the rates, and what is held back; and whether the domains that ' +
      'emails are from are authenticated, as last checked. Gmail tells nobody of single complaints: look at Postmaster Tools as well.',
  })
  @ZodResponse(200, deliverability)
  async show(@CurrentTenant() tenant: Tenant): Promise<DeliverabilityBody> {
    const { window, minVolume, enforce, complaints, bounces, blocks } = policyOf(tenant);
    return this.#transact(async (tx) => ({
      window,
      minVolume,
      enforce,
      thresholds: { complaints, bounces, blocks },
      streams: await streamsOf(tx, tenant, new Date()),
      domains: (await readDomains(tx, tenant.name)).map(viewDomain),
      changes: (await recentChanges(tx, tenant.name, maxChanges)).map(({ tenant: _, provider, ...change }) => ({
        ...change,
        mailboxProvider: provider,
      })),
    }));
  }

  @Post('stops')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Stop a stream to a mailbox provider',
    description: 'Its emails wait until it is lifted, whatever the rates are. Email of the critical lane goes on.',
  })
  @ZodResponse(200, streamView)
  async stop(
    @CurrentTenant() tenant: Tenant,
    @ZodBody(stopBody) { stream, mailboxProvider, why }: z.output<typeof stopBody>,
    @Req() request: Authorized,
  ): Promise<StreamView> {
    const own = Object.keys(tenant.email?.mailboxProviders ?? {});
    if (![...knownMailboxProviders, ...own, 'other'].includes(mailboxProvider)) {
      throw new ProblemException(422, 'Unknown mailbox provider', 'There is no mailbox provider of this name', {
        errors: [{ pointer: '#/mailboxProvider', detail: 'is not one of those that are known' }],
      });
    }
    const said = { by: nameOf(request), why };
    const key = { tenant: tenant.name, stream, provider: mailboxProvider };
    const move = await this.#transact((tx) => stopStream(tx, key, said, this.#deliverability.policies, new Date()));
    return this.#decided(tenant, move);
  }

  @Delete('stops/:stream/:mailboxProvider')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Lift what holds a stream back',
    description:
      'A stop or a throttling, by a person or by rule. What is waiting goes out. What was counted so far is not held against the ' +
      'stream again; what is counted from now on is.',
  })
  @ZodResponse(200, streamView)
  async lift(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('stream', streamParam) stream: StreamName,
    @ZodParam('mailboxProvider', providerParam) provider: string,
    @ZodQuery(liftQuery) { why }: z.output<typeof liftQuery>,
    @Req() request: Authorized,
  ): Promise<StreamView> {
    const said = { by: nameOf(request), why };
    const key = { tenant: tenant.name, stream, provider };
    const move = await this.#transact((tx) => liftStream(tx, key, said, this.#deliverability.policies, new Date()));
    if (!move) throw new ProblemException(404, 'Not Found', 'No such stream is held back');
    return this.#decided(tenant, move);
  }

  @Post('domains/check')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({
    summary: 'Check the domains that emails are from now',
    description: 'They are checked by themselves from time to time.',
  })
  @ZodResponse(200, domainList)
  async check(@CurrentTenant() tenant: Tenant): Promise<{ domains: DomainView[] }> {
    await this.#deliverability.checkNow(tenant.name);
    return this.#transact(async (tx) => ({ domains: (await readDomains(tx, tenant.name)).map(viewDomain) }));
  }

  async #decided(tenant: Tenant, { before, after }: StreamMove): Promise<StreamView> {
    await this.#quotas.changed();
    const { stream, provider, state, by, why } = after;
    this.#log.warn(
      { tenant: tenant.name, stream, provider, from: before.state, state, by, why },
      'a stream of emails was stopped or let go by an operator',
    );
    const streams = await this.#transact((tx) => streamsOf(tx, tenant, new Date()));
    const found = streams.find((one) => one.stream === stream && one.mailboxProvider === provider);
    return found ?? viewOf(after, noCounts);
  }
}

function nameOf({ tokenHolder }: Authorized): string {
  return tokenHolder?.name ?? 'unnamed token';
}

const unchecked = {
  spf: 'unknown',
  dkim: 'unknown',
  dmarc: { verdict: 'unknown', at: null, policy: null, why: null },
  sendgrid: { verdict: 'unknown', domain: null, records: [], why: null },
  faults: [],
} as const;

function viewDomain({ domain, checkedAt, report }: CheckedDomain): DomainView {
  const { spf, dkim, dmarc, sendgrid, faults } = report ?? unchecked;
  return {
    domain,
    checkedAt,
    spf,
    dkim,
    dmarc,
    sendgrid: { ...sendgrid, records: [...sendgrid.records] },
    faults: [...faults],
  };
}
