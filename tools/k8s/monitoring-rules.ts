/** The metric names of ours in a query, a rule or a dashboard, as they are declared: without what a histogram appends. */
export function metricsIn(text: string): string[] {
  const names = [...text.matchAll(/\bsignalbox_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''));
  return [...new Set(names)].sort();
}

export interface Monitoring {
  /** What queries metrics: file name → content. */
  readonly queries: ReadonlyMap<string, string>;
  readonly alerts: readonly string[];
  /** File names below `docs/runbooks/`. */
  readonly runbooks: readonly string[];
  /** All source code that may declare a metric. */
  readonly sources: string;
}

export function monitoringFaults({ queries, alerts, runbooks, sources }: Monitoring): string[] {
  const unknown = [...queries].flatMap(([file, content]) =>
    metricsIn(content)
      .filter((name) => !sources.includes(`'${name}'`))
      .map((name) => `${file}: nothing in apps/ or libs/ declares ${name}`),
  );
  const orphans = runbooks
    .filter((file) => file !== 'README.md' && !alerts.includes(file.replace(/\.md$/, '')))
    .map((file) => `docs/runbooks/${file}: there is no such alert`);
  const unexplained = alerts
    .filter((alert) => !runbooks.includes(`${alert}.md`))
    .map((alert) => `${alert}: docs/runbooks/${alert}.md is missing`);
  return [...unknown, ...orphans, ...unexplained];
}
