import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { TRANSACT } from '@signalbox/domain-service';
import { EventProducer } from '@signalbox/kafka';
import { OutboxRelay, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { readFlowDirectory, takeUpFlows } from '../flow/flow-directory.ts';
import { FlowBook } from '../flow/flow-book.ts';
import { acceptYaml } from '../flow/yaml-bodies.ts';
import { Conversation } from '../session/conversation.ts';
import { Questions } from '../session/questions.ts';
import { StepStore } from '../session/step-store.ts';
import { serveTwiml } from './routes.ts';

const pauseMs = 1_000;

/** Answers calls with TwiML: puts together what that takes, and ends it. */
@Injectable()
export class TwimlServer implements OnModuleInit, OnApplicationShutdown {
  readonly #pool: pg.Pool;
  readonly #store: StepStore;
  readonly #questions: Questions;
  readonly #conversation: Conversation;

  constructor(
    @Inject(CONFIG) private readonly config: VoiceConfig,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(FlowBook) flows: FlowBook,
    @Inject(OutboxRelay) relay: OutboxRelay,
    @Inject(EventProducer) producer: EventProducer,
  ) {
    const patienceMs = config.STEP_PATIENCE_MS;
    // Connections of their own: a caller does not wait behind what works in the background.
    this.#pool = new pg.Pool({
      connectionString: config.DATABASE_URL,
      application_name: 'voice-svc calls',
      max: 4,
      // Plans are made once, whatever the number of steps, while the tables are small: never by reading all of them.
      options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off',
      keepAlive: true,
      connectionTimeoutMillis: patienceMs,
      statement_timeout: patienceMs + 1_000,
      query_timeout: patienceMs + 1_500,
    });
    this.#pool.on('error', (err) => logger.warn({ err }, 'an idle database connection was lost'));
    this.#store = new StepStore({ pool: this.#pool, patienceMs, pauseMs, onUrgent: () => relay.nudge() });
    this.#questions = new Questions({
      privateRanges: config.FLOW_HTTP_PRIVATE_RANGES,
      headersOf: (tenant, host) => tenants.byName(tenant)?.voice?.httpHeaders[host] ?? {},
    });
    const urls = { base: trim(config.VOICE_PUBLIC_BASE_URL), callbackBase: trim(config.PUBLIC_BASE_URL), patienceMs };
    this.#conversation = new Conversation(urls, flows, this.#store, this.#questions, producer, logger);
  }

  async onModuleInit(): Promise<void> {
    const { FLOWS_DIR: directory } = this.config;
    if (directory !== undefined) {
      const files = await readFlowDirectory(directory, (name) => this.tenants.byName(name) !== undefined);
      const taken = await takeUpFlows(this.transact, files);
      if (taken.length > 0) this.logger.info({ flows: taken }, 'flows taken up');
    }
    const server = this.http.httpAdapter.getInstance<FastifyInstance>();
    acceptYaml(server);
    serveTwiml(server, {
      tenants: this.tenants,
      conversation: this.#conversation,
      base: this.config.VOICE_PUBLIC_BASE_URL,
      unauthenticatedPerMinute: this.config.UNAUTHENTICATED_PER_MINUTE,
      logger: this.logger,
    });
  }

  /** HTTP has ended by now: no caller waits any more. */
  async onApplicationShutdown(): Promise<void> {
    await this.#store.drain();
    await this.#pool.end();
    await this.#questions.close();
  }
}

const trim = (base: string) => base.replace(/\/+$/, '');
