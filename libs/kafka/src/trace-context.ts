import {
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  type Link,
  type SpanContext,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import type { CloudEvent } from '@signalbox/contracts';

type Traced = Pick<CloudEvent, 'traceparent' | 'tracestate'>;

const traceparentFormat = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** Reads W3C Trace Context (`traceparent`, level 1 and later versions); undefined when there is none or it is not valid. */
export function spanContextOf({ traceparent, tracestate }: Traced): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentFormat.exec(traceparent ?? '') ?? [];
  if (!traceId || !spanId || !flags) return undefined;
  const spanContext: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(tracestate && { traceState: createTraceState(tracestate) }),
  };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}

/** Trace headers of the active span; empty when there is none. */
export function activeTraceContext(active: Context = context.active()): Traced {
  const span = trace.getSpanContext(active);
  if (!span || !isSpanContextValid(span)) return {};
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0');
  const tracestate = span.traceState?.serialize();
  return { traceparent: `00-${span.traceId}-${span.spanId}-${flags}`, ...(tracestate && { tracestate }) };
}

/** The event as it is sent: with the active trace context unless it carries one already. */
export function traced<E extends CloudEvent>(event: E): E {
  return event.traceparent ? event : { ...event, ...activeTraceContext() };
}

/** At most 128, which is what the SDK keeps of a span's links by default. */
export function linksTo(events: Iterable<Traced>): Link[] {
  const links = new Map<string, Link>();
  for (const event of events) {
    const spanContext = spanContextOf(event);
    if (spanContext) links.set(`${spanContext.traceId}${spanContext.spanId}`, { context: spanContext });
    if (links.size === 128) break;
  }
  return [...links.values()];
}
