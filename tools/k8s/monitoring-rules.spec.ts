import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { type DeclaredMetric, declaredMetrics } from './declared-metrics.ts';
import { type MonitoringQuery, monitoringFaults } from './monitoring-rules.ts';
import { readMonitoring } from './read-monitoring.ts';

const metrics: DeclaredMetric[] = [
  { name: 'signalbox_sent_total', kind: 'counter', labels: ['tenant', 'result'] },
  { name: 'signalbox_due', kind: 'gauge', labels: ['lane'] },
  { name: 'signalbox_wait_seconds', kind: 'histogram', labels: ['lane'] },
];

/** What is said of one query beside others that read everything. */
function faultsOf(query: string, shown: string[] = []): string[] {
  const others = ['signalbox_sent_total', 'signalbox_due', 'signalbox_wait_seconds_count'];
  const asked: MonitoringQuery[] = [query, ...others].map((one) => ({
    of: 'it',
    query: one,
    shown: one === query ? shown : [],
  }));
  return monitoringFaults({ queries: asked, alerts: [], runbooks: [], metrics }).map((fault) =>
    fault.replace(/^it: /, ''),
  );
}

describe('a query', () => {
  it.each([
    ['a rate by a label', 'sum by (tenant) (rate(signalbox_sent_total{result!="ok"}[5m])) > 1', ['tenant']],
    ["Grafana's own interval", 'rate(signalbox_sent_total[$__rate_interval])', ['tenant', 'result', 'pod']],
    ['a quantile', 'histogram_quantile(0.9, sum by (le, lane) (rate(signalbox_wait_seconds_bucket[5m])))', ['lane']],
    ['a ratio', 'sum(rate(signalbox_sent_total{result="bad"}[5m])) / sum(rate(signalbox_sent_total[5m])) > 0.1', []],
    [
      'a gauge over time',
      'max(min_over_time(signalbox_due{lane="critical"}[3m])) > 0 unless sum(signalbox_due) > 0',
      [],
    ],
    ['either of two', 'sum by (tenant) (signalbox_sent_total) or sum by (lane) (signalbox_due)', ['tenant', 'lane']],
    [
      'a series that is new',
      '(signalbox_due unless signalbox_due offset 5m) or increase(signalbox_sent_total[5m])',
      [],
    ],
    ['the largest', 'topk(3, sum by (lane) (signalbox_due))', ['lane']],
    ["what others' metrics tell", 'max by (pod) (process_resident_memory_bytes)', ['pod']],
  ])('may be %s', (_label, query, shown) => {
    expect(faultsOf(query, shown)).toEqual([]);
  });

  it.each([
    ['does not parse', 'sum by (tenant (signalbox_sent_total)', /^does not parse at "/],
    ['names a metric of nobody', 'signalbox_lost_total', 'nothing in apps/ or libs/ declares signalbox_lost_total'],
    [
      'names a histogram as it is',
      'signalbox_wait_seconds',
      'signalbox_wait_seconds is a histogram: it has _bucket, _count and _sum',
    ],
    ['matches a label that is not there', 'signalbox_due{tenant="a"}', 'signalbox_due has no label tenant'],
    ['groups by one that is not there', 'sum by (tenant) (signalbox_due)', 'groups by tenant, which is not there'],
    ['groups by one that was summed away', 'max by (lane) (sum(signalbox_due))', 'groups by lane, which is not there'],
    ['takes the rate of a gauge', 'rate(signalbox_due[5m])', 'rate of signalbox_due, which is a gauge'],
    [
      'has a quantile of nothing',
      'histogram_quantile(0.9, sum(rate(signalbox_wait_seconds_bucket[5m])))',
      'histogram_quantile of what has no le',
    ],
    [
      'divides what never matches',
      'sum by (tenant) (signalbox_sent_total) / sum by (lane) (signalbox_due)',
      'calculates with series by {tenant} and by {lane}, which never match',
    ],
    [
      'compares what never matches',
      'sum(signalbox_due) unless sum by (lane) (signalbox_due)',
      'compares series by {} and by {lane}, which never match',
    ],
  ])('is refused when it %s', (_label, query, fault) => {
    expect(faultsOf(query)).toEqual([typeof fault === 'string' ? fault : expect.stringMatching(fault)]);
  });

  it('is refused when a legend shows a label that is not there', () => {
    expect(faultsOf('sum by (lane) (signalbox_due)', ['lane', 'tenant'])).toEqual([
      'shows the label tenant, which the result does not have',
    ]);
  });
});

describe('monitoringFaults', () => {
  it('notices metrics nobody reads, alerts without a runbook, runbooks without an alert, and one metric declared in two ways', () => {
    const faults = monitoringFaults({
      queries: [{ of: 'Explained', query: 'signalbox_due > 1', shown: [] }],
      alerts: ['Explained', 'Unexplained'],
      runbooks: ['README.md', 'Explained.md', 'Orphan.md'],
      metrics: [
        ...metrics.slice(0, 2),
        { name: 'signalbox_due', kind: 'gauge', labels: ['lane'] },
        { name: 'signalbox_sent_total', kind: 'gauge', labels: [] },
      ],
    });
    expect(faults).toEqual([
      'signalbox_sent_total: declared as counter(tenant, result) and as gauge()',
      'signalbox_sent_total: no alert and no panel reads it',
      'docs/runbooks/Orphan.md: there is no such alert',
      'Unexplained: docs/runbooks/Unexplained.md is missing',
    ]);
  });
});

describe('the metrics that a file declares', () => {
  it('are found with their labels', () => {
    const source = `
      const labels = ['route', 'status'] as const;
      const a = counter('signalbox_a_total', 'a', labels);
      const b = () => histogram('signalbox_b_seconds', 'b');
      gauge('signalbox_c', 'c', ['tenant'], (metric) => metric.set(1));
      reportDue(db, 'things', 'signalbox_things_due');
      log('signalbox_d is what the page speaks of');`;
    expect(declaredMetrics('metrics.ts', source)).toEqual([
      { name: 'signalbox_a_total', kind: 'counter', labels: ['route', 'status'] },
      { name: 'signalbox_b_seconds', kind: 'histogram', labels: [] },
      { name: 'signalbox_c', kind: 'gauge', labels: ['tenant'] },
      { name: 'signalbox_things_due', kind: 'gauge', labels: ['lane'] },
    ]);
  });

  it('are not guessed', () => {
    expect(() => declaredMetrics('metrics.ts', "counter('signalbox_a_total', 'a', labelsOf(tenant))")).toThrow(
      'are not a list',
    );
    expect(() => declaredMetrics('metrics.ts', "counter('signalbox_a_total', 'a', labels)")).toThrow('not a constant');
  });
});

describe('the alerts and the dashboard', () => {
  const monitoring = readMonitoring(join(import.meta.dirname, '../..'));

  it('ask only for what there is, and for all of it', () => {
    expect(monitoring.queries.length).toBeGreaterThan(100);
    expect(monitoring.metrics.length).toBeGreaterThan(80);
    expect(monitoringFaults(monitoring)).toEqual([]);
  });
});
