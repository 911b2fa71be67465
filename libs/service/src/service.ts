import { isIP } from 'node:net';
import { type DynamicModule, type ForwardReference, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy, MicroserviceOptions } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Logger, createLogger, startProcessMetrics, startTelemetry } from '@signalbox/telemetry';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { type CommonConfig, ConfigError, type Env, commonConfig, tryConfig } from './config.ts';
import { Health, serveHealth } from './health.ts';
import { type HttpOptions, createAdapter } from './http-server.ts';
import { NestLogger } from './nest-logger.ts';
import { type OpenApiOptions, describeApi } from './openapi.ts';
import { ProblemFilter, type ProblemRules } from './problem.ts';

/** Inject it to get the service's logger. */
export const LOGGER = Symbol('LOGGER');

export interface ServiceContext<Config> {
  config: Config & CommonConfig;
  logger: Logger;
  health: Health;
}

export interface ServiceOptions<Schema extends z.ZodObject> {
  /** As in metrics, logs and traces: `messaging-svc`. */
  name: string;
  /** Default of `PORT`. */
  port: number;
  /** The environment variables it reads, beside those of every service ({@link commonConfig}). */
  config: Schema;
  /** Its root module. `LOGGER` and `Health` can be injected everywhere. */
  module: (context: ServiceContext<z.output<Schema>>) => RootModule | Promise<RootModule>;
  /** What else it listens to; started last, stopped after HTTP. */
  transports?: (
    app: NestFastifyApplication,
    context: ServiceContext<z.output<Schema>>,
  ) => CustomTransportStrategy[] | Promise<CustomTransportStrategy[]>;
  http?: HttpSettings | ((config: z.output<Schema> & CommonConfig) => HttpSettings);
  /** Served at `/openapi.json`. */
  openapi?: OpenApiOptions;
  /** Runs when the modules are made and before anything starts: plugins, content-type parsers, … */
  configure?: (app: NestFastifyApplication, context: ServiceContext<z.output<Schema>>) => void | Promise<void>;
  /** Default `SIGNALBOX_VERSION`. */
  version?: string;
}

export type HttpSettings = HttpOptions & ProblemRules;

type RootModule = Type | DynamicModule | ForwardReference;

export interface RunningService {
  readonly app: NestFastifyApplication;
  readonly logger: Logger;
  readonly config: CommonConfig;
  /** Where it listens. */
  readonly url: string;
  /**
   * Withdraws readiness, serves on for `DRAIN_SECONDS`, stops accepting, lets what runs finish, and runs the modules'
   * shutdown hooks. Does not end the process.
   */
  stop(reason?: string): Promise<void>;
}

/** The port is in use: by another process, or by this service when it is started twice. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly faults: readonly string[];

  constructor(port: number, options: ErrorOptions) {
    super(`port ${port} is already in use`, options);
    this.faults = [this.message];
  }
}

@Module({})
class ServiceModule {}

/**
 * Starts a service in this process, without touching the process itself; {@link runService} adds signals and exit codes.
 * @throws ConfigError naming every fault of the environment
 */
export async function startService<Schema extends z.ZodObject>(
  options: ServiceOptions<Schema>,
  env: Env = process.env,
): Promise<RunningService> {
  const { name } = options;
  const version = options.version ?? env['SIGNALBOX_VERSION'] ?? '0.0.0';
  const config = readServiceConfig(options, env);
  const logger = createLogger(name, { level: config.LOG_LEVEL });
  const telemetry = startTelemetry({ service: name, version, env, logger });
  startProcessMetrics({ service: name, version });
  const health = new Health();
  const context = { config, logger, health };

  let app: NestFastifyApplication | undefined;
  try {
    app = await createApp(options, context);
    await options.configure?.(app, context);
    const server = app.getHttpAdapter().getInstance();
    serveHealth(server, health);
    if (options.openapi) serveOpenApi(server, app, options.openapi, version);
    for (const strategy of (await options.transports?.(app, context)) ?? []) {
      app.connectMicroservice<MicroserviceOptions>({ strategy });
    }
    await app.init();
    await listen(app, config);
    await app.startAllMicroservices();
  } catch (error) {
    await app?.close().catch((err: unknown) => logger.warn({ err }, 'what had started could not be stopped'));
    await telemetry.shutdown();
    throw error;
  }
  health.started();
  const url = localUrl(app, config.HOST);
  logger.info({ url, version }, `${name} is ready`);

  const started = app;
  return {
    app,
    logger,
    config,
    url,
    async stop(reason = 'stop') {
      health.stopping();
      logger.info({ reason, drainSeconds: config.DRAIN_SECONDS }, `${name} is stopping`);
      await delay(config.DRAIN_SECONDS * 1000);
      await started.close();
      await telemetry.shutdown();
      logger.info(`${name} has stopped`);
    },
  };
}

function readServiceConfig<Schema extends z.ZodObject>(
  options: ServiceOptions<Schema>,
  env: Env,
): z.output<Schema> & CommonConfig {
  const common = tryConfig(commonConfig(options.port), env);
  const own = tryConfig(options.config, env);
  if (common.config && own.config) return { ...common.config, ...own.config };
  throw new ConfigError([...common.faults, ...own.faults]);
}

async function createApp<Schema extends z.ZodObject>(
  options: ServiceOptions<Schema>,
  context: ServiceContext<z.output<Schema>>,
): Promise<NestFastifyApplication> {
  const { config, logger, health } = context;
  const http = typeof options.http === 'function' ? options.http(config) : (options.http ?? {});
  const root: DynamicModule = {
    module: ServiceModule,
    global: true,
    imports: [await options.module(context)],
    providers: [
      { provide: LOGGER, useValue: logger },
      { provide: Health, useValue: health },
    ],
    exports: [LOGGER, Health],
  };
  const app = await NestFactory.create<NestFastifyApplication>(root, createAdapter(http, health), {
    logger: new NestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  return app.useGlobalFilters(new ProblemFilter(logger, http));
}

function serveOpenApi(
  server: FastifyInstance,
  app: NestFastifyApplication,
  options: OpenApiOptions,
  version: string,
): void {
  let document: unknown;
  server.get('/openapi.json', async () => (document ??= describeApi(app, options, version)));
}

async function listen(app: NestFastifyApplication, { PORT, HOST }: CommonConfig): Promise<void> {
  try {
    await app.listen(PORT, HOST);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new PortTakenError(PORT, { cause });
    throw cause;
  }
}

function localUrl(app: NestFastifyApplication, host: string): string {
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}

function delay(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
