import {
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider as ApiTracerProvider,
  TraceFlags,
  context,
  createTraceState,
  diag,
  DiagLogLevel,
  isSpanContextValid,
  propagation,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator, parseTraceParent } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { ATTR_ERROR_TYPE, ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';

import { type Logger, isError } from './logger.ts';

export { type Span, SpanKind } from '@opentelemetry/api';

export interface TelemetryOptions {
  service: string;
  version?: string;
  /**
   * `OTEL_EXPORTER_OTLP_ENDPOINT` (spans are recorded only when it is set; the exporter reads the other OTEL_EXPORTER_*
   * variables itself) and `OTEL_TRACES_SAMPLER_ARG`, the share of new traces to record, 0 to 1.
   */
  env: Record<string, string | undefined>;
  /** Hears, at most once a minute, why spans do not reach the collector. */
  logger?: Pick<Logger, 'warn'>;
  /** Record into these instead of an OTLP exporter; for tests. */
  spanProcessors?: SpanProcessor[];
}

export interface Telemetry {
  /** Sends what is still buffered; gives up after a few seconds when the collector does not answer. */
  shutdown(): Promise<void>;
}

/**
 * Installs tracing for this process: W3C trace context, one context per asynchronous call chain, OTLP export. The first
 * call in a process counts; further ones (services sharing a test process) join it.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { service, version = '0.0.0', env, logger, spanProcessors } = options;
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const processors = spanProcessors ?? (env['OTEL_EXPORTER_OTLP_ENDPOINT'] ? [batchExport()] : []);
  if (processors.length === 0) {
    const installed = trace.setGlobalTracerProvider(new ForwardingTracerProvider());
    return { shutdown: async () => void (installed && uninstall()) };
  }
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: service, [ATTR_SERVICE_VERSION]: version }),
    sampler: new ParentBasedSampler({
      root: new TraceIdRatioBasedSampler(Number(env['OTEL_TRACES_SAMPLER_ARG'] || 1)),
    }),
    spanProcessors: processors,
  });
  const installed = trace.setGlobalTracerProvider(provider);
  if (logger) reportFailures(logger);
  return {
    async shutdown() {
      if (installed) uninstall();
      try {
        await provider.shutdown();
      } catch (err) {
        logger?.warn({ err }, 'the last spans did not reach the collector');
      } finally {
        diag.disable();
      }
    },
  };
}

function batchExport(): SpanProcessor {
  return new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ timeoutMillis: 4000 }) });
}

function reportFailures(logger: Pick<Logger, 'warn'>): void {
  let lastAt = -Infinity;
  const warn = (detail: string): void => {
    if (performance.now() - lastAt < 60_000) return;
    lastAt = performance.now();
    logger.warn({ detail }, 'tracing is in trouble');
  };
  const ignore = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.WARN);
}

function uninstall(): void {
  trace.disable();
  context.disable();
  propagation.disable();
}

/**
 * Records nothing and passes trace context on: a caller's trace stays whole even through a service that exports none,
 * and logs on both sides of a topic share a trace id. Costs a fraction of a recording span.
 */
class ForwardingTracerProvider implements ApiTracerProvider {
  readonly #tracer: Tracer = new ForwardingTracer();

  getTracer(): Tracer {
    return this.#tracer;
  }
}

class ForwardingTracer implements Tracer {
  readonly #ids = new RandomIdGenerator();

  startSpan(_name: string, options: { root?: boolean } = {}, parent: Context = context.active()): Span {
    const above = options.root ? undefined : trace.getSpan(parent);
    if (above && isSpanContextValid(above.spanContext())) return above;
    return trace.wrapSpanContext({
      traceId: this.#ids.generateTraceId(),
      spanId: this.#ids.generateSpanId(),
      traceFlags: TraceFlags.NONE,
    });
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
    const fn = rest.at(-1) as F;
    const parent = rest.length === 3 ? (rest[1] as Context) : context.active();
    const span = this.startSpan(name, rest.length > 1 ? (rest[0] as { root?: boolean }) : {}, parent);
    return context.with(trace.setSpan(parent, span), () => fn(span)) as ReturnType<F>;
  }
}

/** What an event or a request carries of its trace; a CloudEvent fits. */
export interface TraceCarrier {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

export interface SpanOptions {
  attributes?: Attributes;
  kind?: SpanKind;
  /** The parent, when it is not the active span: a `traceparent` or what carries one. A malformed one is ignored. */
  parent?: string | TraceCarrier | undefined;
  /** Other traces this one has to do with, as `traceparent`s: a batch links to the trace of each record. */
  links?: readonly (string | undefined)[];
}

const tracer = (): Tracer => trace.getTracer('signalbox');

/**
 * Runs `fn` inside a span and ends the span when it returns or its promise settles. A failure is recorded by type and
 * code; never by message, which may quote what a person wrote. Attributes must not hold numbers or bodies in clear.
 */
export function withSpan<R>(name: string, options: SpanOptions, fn: (span: Span) => R): R {
  const { span, active } = startSpan(name, options);
  try {
    const result = context.with(active, fn, undefined, span);
    if (!isPromise(result)) {
      span.end();
      return result;
    }
    return result.then(
      (value: unknown) => {
        span.end();
        return value;
      },
      (error: unknown) => {
        endWithError(span, error);
        throw error;
      },
    ) as R;
  } catch (error) {
    endWithError(span, error);
    throw error;
  }
}

/** A span whose end the caller decides, and the context in which it is the active one. */
export function startSpan(name: string, options: SpanOptions = {}): { span: Span; active: Context } {
  const parent = parentContext(options.parent);
  const span = tracer().startSpan(
    name,
    {
      ...(options.kind !== undefined && { kind: options.kind }),
      ...(options.attributes && { attributes: options.attributes }),
      ...(options.links && { links: toLinks(options.links) }),
    },
    parent,
  );
  return { span, active: span === trace.getSpan(parent) ? parent : trace.setSpan(parent, span) };
}

/** Runs `fn` with a context from {@link startSpan} active. */
export function inContext<R>(active: Context, fn: () => R): R {
  return context.with(active, fn);
}

function endWithError(span: Span, error: unknown): void {
  recordError(span, error);
  span.end();
}

/** Marks a span as failed, by the error's type and code. */
function recordError(span: Span, error: unknown): void {
  if (!span.isRecording()) return;
  const type = isError(error) ? error.name : typeof error;
  const code = isError(error) ? (error as { code?: unknown }).code : undefined;
  const errorType = typeof code === 'string' || typeof code === 'number' ? String(code) : type;
  span.addEvent('exception', { 'exception.type': type, [ATTR_ERROR_TYPE]: errorType });
  span.setAttribute(ATTR_ERROR_TYPE, errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function parentContext(parent: SpanOptions['parent']): Context {
  const active = context.active();
  const carrier = typeof parent === 'string' ? { traceparent: parent } : parent;
  const remote = carrier?.traceparent ? parseTraceParent(carrier.traceparent) : null;
  if (!remote) return active;
  return trace.setSpanContext(active, {
    ...remote,
    isRemote: true,
    ...(carrier?.tracestate && { traceState: createTraceState(carrier.tracestate) }),
  });
}

function toLinks(traceparents: readonly (string | undefined)[]): Link[] {
  return traceparents.flatMap((traceparent): Link[] => {
    const remote: SpanContext | null = traceparent ? parseTraceParent(traceparent) : null;
    return remote ? [{ context: remote }] : [];
  });
}

/** The W3C `traceparent` of a span; undefined when it has none. */
export function traceparentOf(span: Span): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return undefined;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The `traceparent` to put into what leaves this process now. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span && traceparentOf(span);
}

/** The active trace's id, as logs and problem details name it. */
export function currentTraceId(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  return span && isSpanContextValid(span) ? span.traceId : undefined;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
