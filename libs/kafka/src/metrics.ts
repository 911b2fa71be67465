import { Counter, Gauge, Histogram, register } from 'prom-client';

// A second copy of this module (a test's registry, a linked package) finds the metrics of the first.
function counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
  return (register.getSingleMetric(name) as Counter<L> | undefined) ?? new Counter({ name, help, labelNames });
}

function gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
  return (register.getSingleMetric(name) as Gauge<L> | undefined) ?? new Gauge({ name, help, labelNames });
}

function histogram<L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> {
  return (
    (register.getSingleMetric(name) as Histogram<L> | undefined) ?? new Histogram({ name, help, labelNames, buckets })
  );
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const consumedRecords = counter(
  'signalbox_kafka_consumed_records_total',
  'Records done with, by what became of them: handled or dead_lettered',
  ['topic', 'result'],
);
export const batchSeconds = histogram(
  'signalbox_kafka_batch_seconds',
  'Time from a chunk of a partition to its committed offset, retries included',
  ['topic'],
  seconds,
);
export const batchSize = histogram(
  'signalbox_kafka_batch_size',
  'Records in one chunk',
  ['topic'],
  [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
);
export const retries = counter('signalbox_kafka_retries_total', 'Batches tried again', ['topic', 'cause']);
export const deadLettered = counter('signalbox_kafka_dead_lettered_total', 'Records given up on', ['topic']);
export const consumerLag = gauge(
  'signalbox_kafka_consumer_lag',
  'Records of a partition behind its high watermark, as of its last batch',
  ['topic', 'partition'],
);
export const producedRecords = counter('signalbox_kafka_produced_records_total', 'Records the broker acknowledged', [
  'topic',
]);
export const produceSeconds = histogram(
  'signalbox_kafka_produce_seconds',
  'Time of one produce request, from sending to acknowledged',
  [],
  seconds,
);
