import type { DeclaredMetric } from './declared-metrics.ts';
import { readQuery } from './promql.ts';

export interface MonitoringQuery {
  /** The alert or panel it belongs to. */
  readonly of: string;
  readonly query: string;
  /** Labels of its result that a legend or an annotation shows. */
  readonly shown: readonly string[];
}

export interface Monitoring {
  readonly queries: readonly MonitoringQuery[];
  readonly alerts: readonly string[];
  /** File names below `docs/runbooks/`. */
  readonly runbooks: readonly string[];
  /** All that the code declares; several services may declare the same. */
  readonly metrics: readonly DeclaredMetric[];
}

export function monitoringFaults({ queries, alerts, runbooks, metrics }: Monitoring): string[] {
  const declared = new Map(metrics.map((metric) => [metric.name, metric]));
  const signature = ({ kind, labels }: DeclaredMetric) => `${kind}(${labels.join(', ')})`;
  const unlike = metrics.flatMap((metric) => {
    const other = declared.get(metric.name) ?? metric;
    if (signature(other) === signature(metric)) return [];
    return `${metric.name}: declared as ${signature(metric)} and as ${signature(other)}`;
  });
  const read = queries.map((one) => ({ ...one, ...readQuery(one.query, declared) }));
  const misread = read.flatMap(({ of, faults, labels, shown }) => {
    const missing = faults.length > 0 ? [] : shown.filter((label) => !labels.has(label));
    return [...faults, ...missing.map((label) => `shows the label ${label}, which the result does not have`)].map(
      (fault) => `${of}: ${fault}`,
    );
  });
  const wanted = new Set(read.flatMap((one) => one.metrics));
  const unread = [...declared.keys()]
    .filter((name) => !wanted.has(name))
    .map((name) => `${name}: no alert and no panel reads it`);
  const orphans = runbooks
    .filter((file) => file !== 'README.md' && !alerts.includes(file.replace(/\.md$/, '')))
    .map((file) => `docs/runbooks/${file}: there is no such alert`);
  const unexplained = alerts
    .filter((alert) => !runbooks.includes(`${alert}.md`))
    .map((alert) => `${alert}: docs/runbooks/${alert}.md is missing`);
  return [...unlike, ...misread, ...unread, ...orphans, ...unexplained];
}
