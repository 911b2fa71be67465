import { SpanKind, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { counted } from '../test/harness.ts';
import { inBatchSpan } from './batch-span.ts';
import { Batch } from './batch.ts';

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
});
beforeEach(() => exporter.reset());
afterAll(() => trace.disable());

const origin = { topic: 't', groupId: 'svc' };
const traceIds = ['1'.repeat(32), '2'.repeat(32)];
const batchOf = (ids: string[], partitionOf: (n: number) => number = () => 3) =>
  new Batch(
    ids.map((traceId, n) => ({
      event: { ...counted('k', n).event, traceparent: `00-${traceId}-${'a'.repeat(16)}-01` },
      key: 'k',
      topic: 't',
      partition: partitionOf(n),
      offset: String(n),
      attempt: 1,
    })),
  );

describe('inBatchSpan', () => {
  it('links a batch to the span of every record', async () => {
    await inBatchSpan(batchOf(traceIds), origin, async () => undefined);
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({ name: 'process t', kind: SpanKind.CONSUMER });
    expect(span?.links.map(({ context }) => context.traceId)).toEqual(traceIds);
    expect(traceIds).not.toContain(span?.spanContext().traceId);
    expect(span?.attributes).toMatchObject({
      'messaging.batch.message_count': 2,
      'messaging.consumer.group.name': 'svc',
      'messaging.destination.partition.id': '3',
    });
  });

  it('names no partition when there are several', async () => {
    await inBatchSpan(
      batchOf(traceIds, (n) => n),
      origin,
      async () => undefined,
    );
    expect(exporter.getFinishedSpans()[0]?.attributes).not.toHaveProperty('messaging.destination.partition.id');
  });

  it('continues the trace of a lone record', async () => {
    await inBatchSpan(batchOf(traceIds.slice(0, 1)), origin, async () => undefined);
    expect(exporter.getFinishedSpans()[0]?.spanContext().traceId).toBe(traceIds[0]);
  });

  it('tells a failure without its values, and passes it on', async () => {
    const failing = inBatchSpan(batchOf(traceIds), origin, async () => {
      throw new TypeError('+14155550199');
    });
    await expect(failing).rejects.toThrow(TypeError);
    const [span] = exporter.getFinishedSpans();
    expect(span?.status.message).toBe('TypeError');
    expect(JSON.stringify([span?.status, span?.events])).not.toContain('4155550199');
  });
});
