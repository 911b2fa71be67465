import { afterEach, describe, expect, it } from '@jest/globals';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import {
  SpanKind,
  type Telemetry,
  currentTraceId,
  currentTraceparent,
  startTelemetry,
  traceparentOf,
  withSpan,
} from './tracing.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parent = `00-${traceId}-b7ad6b7169203331-01`;

let telemetry: Telemetry | undefined;
afterEach(async () => {
  await telemetry?.shutdown();
  telemetry = undefined;
});

function record(env: Record<string, string> = {}) {
  const exporter = new InMemorySpanExporter();
  telemetry = startTelemetry({
    service: 'test-svc',
    version: '1.2.3',
    env,
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  return exporter;
}

describe('with an exporter', () => {
  it('records a span with its parent, kind, attributes, links and resource', async () => {
    const exporter = record();
    const link = '00-11111111111111111111111111111111-2222222222222222-00';
    const options = { parent, kind: SpanKind.CONSUMER, attributes: { size: 2 }, links: [link, undefined, 'nonsense'] };
    await withSpan('apply', options, async (span) => {
      await Promise.resolve();
      expect(currentTraceparent()).toBe(traceparentOf(span));
    });
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({
      name: 'apply',
      kind: SpanKind.CONSUMER,
      attributes: { size: 2 },
      parentSpanContext: { traceId, spanId: 'b7ad6b7169203331', isRemote: true },
      links: [{ context: { traceId: '1'.repeat(32) } }],
      resource: { attributes: { 'service.name': 'test-svc', 'service.version': '1.2.3' } },
    });
  });

  it('nests spans across awaits, and keeps concurrent ones apart', async () => {
    const exporter = record();
    const work = (name: string) =>
      withSpan(name, {}, async () => {
        await new Promise(setImmediate);
        return withSpan(`${name}.inner`, {}, () => currentTraceId());
      });
    const [one, two] = await Promise.all([work('one'), work('two')]);
    expect(one).not.toBe(two);
    const byName = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    for (const name of ['one', 'two']) {
      expect(byName.get(`${name}.inner`)?.parentSpanContext?.spanId).toBe(byName.get(name)?.spanContext().spanId);
    }
  });

  it.each([
    ['a rejection', async () => Promise.reject(fault())],
    [
      'a throw',
      () => {
        throw fault();
      },
    ],
  ])('records %s by type and code, without its message, and lets it through', async (_label, fail) => {
    const exporter = record();
    await expect((async () => withSpan('fail', {}, fail))()).rejects.toThrow('to +14155550199');
    const [span] = exporter.getFinishedSpans();
    expect(span?.status).toEqual({ code: 2 });
    expect(span?.events).toMatchObject([
      { name: 'exception', attributes: { 'exception.type': 'TypeError', 'error.type': 'ECONNRESET' } },
    ]);
    expect(JSON.stringify([span?.events, span?.attributes, span?.status])).not.toContain('4155');
  });

  it('takes what a CloudEvent carries as parent', () => {
    const exporter = record();
    withSpan('consume', { parent: { traceparent: parent, tracestate: 'vendor=x' } }, () => undefined);
    const context = exporter.getFinishedSpans()[0]?.spanContext();
    expect(context?.traceId).toBe(traceId);
    expect(context?.traceState?.serialize()).toBe('vendor=x');
  });

  it('ignores a malformed parent', () => {
    const exporter = record();
    withSpan('consume', { parent: '00-zz' }, () => undefined);
    expect(exporter.getFinishedSpans()[0]?.parentSpanContext).toBeUndefined();
  });

  it.each([
    ['a ratio of 0 records no new trace', {}, { OTEL_TRACES_SAMPLER_ARG: '0' }, 0],
    ['but goes on with a sampled one', { parent }, { OTEL_TRACES_SAMPLER_ARG: '0' }, 1],
    ['and an unsampled one stays unrecorded', { parent: parent.replace(/01$/, '00') }, {}, 0],
  ])('%s', (_label, options, env: Record<string, string>, spans) => {
    const exporter = record(env);
    expect(withSpan('x', options, () => currentTraceparent())).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(exporter.getFinishedSpans()).toHaveLength(spans);
  });
});

describe('without an exporter', () => {
  it('hands a trace on as it came', () => {
    telemetry = startTelemetry({ service: 'test-svc', env: {} });
    expect(withSpan('a', { parent }, () => withSpan('b', {}, () => currentTraceparent()))).toBe(parent);
  });

  it('begins a trace, unsampled, where there is none', () => {
    telemetry = startTelemetry({ service: 'test-svc', env: {} });
    const ids = [1, 2].map(() => withSpan('a', {}, () => currentTraceparent()));
    expect(ids[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(ids[1]).not.toBe(ids[0]);
    expect(currentTraceparent()).toBeUndefined();
  });

  it('outlives a second start and stop in one process', async () => {
    telemetry = startTelemetry({ service: 'test-svc', env: {} });
    await startTelemetry({ service: 'other-svc', env: {} }).shutdown();
    expect(withSpan('a', { parent }, () => currentTraceparent())).toBe(parent);
  });

  it('works before telemetry is started', () => {
    expect(withSpan('a', {}, (span) => traceparentOf(span))).toBeUndefined();
  });
});

function fault(): Error {
  return Object.assign(new TypeError('to +14155550199'), { code: 'ECONNRESET' });
}
