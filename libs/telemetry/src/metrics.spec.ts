import { describe, expect, it } from '@jest/globals';
import { counter, gauge, histogram, renderMetrics, startProcessMetrics } from './metrics.ts';

describe('metrics', () => {
  it('makes a metric once and hands it out again', async () => {
    counter('signalbox_test_total', 'Tests', ['result']).inc({ result: 'ok' });
    counter('signalbox_test_total', 'Tests', ['result']).inc({ result: 'ok' });
    expect(await renderMetrics()).toContain('signalbox_test_total{result="ok"} 2');
  });

  it('refuses a name that is another kind of metric', () => {
    gauge('signalbox_test_depth', 'Depth');
    expect(() => histogram('signalbox_test_depth', 'Depth')).toThrow('signalbox_test_depth exists already, as a Gauge');
  });

  it('asks a gauge for its value when scraped', async () => {
    let depth = 1;
    gauge('signalbox_test_lag', 'Lag', [], (lag) => lag.set(depth));
    depth = 7;
    expect(await renderMetrics()).toContain('signalbox_test_lag 7');
  });

  it('tells of the process and of the build, however often it is started', async () => {
    for (const version of ['1.0.0', '1.0.0']) startProcessMetrics({ service: 'test-svc', version });
    const text = await renderMetrics();
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).toContain(`signalbox_build_info{service="test-svc",version="1.0.0",node="${process.version}"} 1`);
  });
});
