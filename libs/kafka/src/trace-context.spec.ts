import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { describe, expect, it } from '@jest/globals';
import { activeTraceContext, linksTo, spanContextOf } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${spanId}-01`;

describe('spanContextOf', () => {
  it('reads a traceparent and its tracestate', () => {
    const read = spanContextOf({ traceparent, tracestate: 'vendor=1' });
    expect(read).toMatchObject({ traceId, spanId, traceFlags: 1, isRemote: true });
    expect(read?.traceState?.get('vendor')).toBe('1');
  });

  it.each([
    ['none', undefined],
    ['empty', ''],
    ['version ff', `ff-${traceId}-${spanId}-01`],
    ['zero trace id', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['capitals', traceparent.toUpperCase()],
    ['too short', `00-${traceId}-${spanId}`],
  ])('answers undefined for %s', (_label, value) => {
    expect(spanContextOf({ ...(value !== undefined && { traceparent: value }) })).toBeUndefined();
  });

  it('takes a later version with more fields', () => {
    expect(spanContextOf({ traceparent: `01-${traceId}-${spanId}-01-more` })).toMatchObject({ traceId, spanId });
  });
});

describe('activeTraceContext', () => {
  it('writes what it reads', () => {
    const read = spanContextOf({ traceparent, tracestate: 'vendor=1' });
    const active = read ? trace.setSpanContext(ROOT_CONTEXT, read) : context.active();
    expect(activeTraceContext(active)).toEqual({ traceparent, tracestate: 'vendor=1' });
  });

  it('is empty without a span', () => {
    expect(activeTraceContext(ROOT_CONTEXT)).toEqual({});
  });
});

describe('linksTo', () => {
  it('links each span once', () => {
    const other = `00-${traceId}-${'1'.repeat(16)}-00`;
    const links = linksTo([{ traceparent }, {}, { traceparent }, { traceparent: other }]);
    expect(links.map(({ context: { spanId: id } }) => id)).toEqual([spanId, '1'.repeat(16)]);
  });
});
