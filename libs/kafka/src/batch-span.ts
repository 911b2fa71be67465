import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Batch } from './batch.ts';
import { linksTo, spanContextOf } from './trace-context.ts';

export interface BatchOrigin {
  readonly topic: string;
  readonly groupId: string;
}

/**
 * Runs `work` in a consumer span that is linked to the span of every record. A lone record continues its trace; a batch has
 * many parents, which only links can tell. Attributes: OpenTelemetry semantic conventions for messaging.
 */
export async function inBatchSpan(batch: Batch, origin: BatchOrigin, work: () => Promise<void>): Promise<void> {
  const events = batch.map(({ event }) => event);
  const parent = events.length === 1 && events[0] ? spanContextOf(events[0]) : undefined;
  const span = trace.getTracer('signalbox.kafka').startSpan(
    `process ${origin.topic}`,
    {
      kind: SpanKind.CONSUMER,
      links: linksTo(events),
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.type': 'process',
        'messaging.destination.name': origin.topic,
        ...partitionOf(batch),
        'messaging.consumer.group.name': origin.groupId,
        'messaging.batch.message_count': batch.size,
      },
    },
    parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
  );
  try {
    await context.with(trace.setSpan(ROOT_CONTEXT, span), work);
  } catch (error) {
    // Not the message: drivers quote values in it.
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : typeof error });
    throw error;
  } finally {
    span.end();
  }
}

/** An attribute of one value, so it is left out for records of several partitions. */
function partitionOf(batch: Batch): Record<string, string> {
  const [first, ...others] = new Set(batch.map(({ partition }) => partition));
  return first === undefined || others.length > 0 ? {} : { 'messaging.destination.partition.id': String(first) };
}
