import { Counter, Gauge, Histogram, type Metric, collectDefaultMetrics, register } from 'prom-client';

export type { Counter, Gauge, Histogram } from 'prom-client';

/** Seconds, for calls inside the cluster and to providers: 1 ms to 30 s. */
const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The counter of this name, made on first use. Names: `signalbox_<what>_total`. Labels must have few values. */
export function counter<L extends string>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
  return existing(name, Counter<L>) ?? new Counter({ name, help, labelNames: labels });
}

/** The gauge of this name, made on first use; `collect` sets it when it is scraped. */
export function gauge<L extends string>(
  name: string,
  help: string,
  labels: readonly L[] = [],
  collect?: (gauge: Gauge<L>) => void | Promise<void>,
): Gauge<L> {
  const found = existing(name, Gauge<L>);
  if (found) return found;
  return new Gauge({
    name,
    help,
    labelNames: labels,
    ...(collect && {
      collect(this: Gauge<L>) {
        return collect(this);
      },
    }),
  });
}

/** The histogram of this name, made on first use. Names: `signalbox_<what>_seconds`, or the unit that is measured. */
export function histogram<L extends string>(
  name: string,
  help: string,
  labels: readonly L[] = [],
  buckets: readonly number[] = latencyBuckets,
): Histogram<L> {
  return existing(name, Histogram<L>) ?? new Histogram({ name, help, labelNames: labels, buckets: [...buckets] });
}

function existing<M extends Metric>(name: string, kind: new (configuration: never) => M): M | undefined {
  const metric = register.getSingleMetric(name);
  if (metric === undefined || metric instanceof kind) return metric;
  throw new Error(`metric ${name} exists already, as a ${metric.constructor.name}`);
}

/** CPU, memory, handles, garbage collection and event-loop lag, and what is running. */
export function startProcessMetrics({ service, version }: { service: string; version: string }): void {
  if (!register.getSingleMetric('process_cpu_seconds_total')) collectDefaultMetrics();
  gauge('signalbox_build_info', 'What is running; always 1', ['service', 'version', 'node']).set(
    { service, version, node: process.version },
    1,
  );
}

/** All metrics in Prometheus' text format. */
export function renderMetrics(): Promise<string> {
  return register.metrics();
}

export const metricsContentType = register.contentType;
