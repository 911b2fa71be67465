import { deadLetterRetentionMs, deadLetterTopic, type Topic } from '@signalbox/contracts';
import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface EnsureTopicsOptions {
  /** Default 1; production wants 3. */
  readonly replicationFactor?: number;
  /** Gives up when a topic has no leader by then, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number;
}

export interface EnsuredTopics {
  readonly created: string[];
  /** Topics that exist with another partition count: left alone, because keys would move to other partitions. */
  readonly differing: { readonly topic: string; readonly declared: number; readonly actual: number }[];
}

/** After this long a replaced record is compacted away, however little is written. */
const maxCompactionLagMs = 24 * 3_600_000;

function configOf(topic: Topic, replicationFactor: number): ITopicConfig[] {
  const retention =
    topic.cleanup === 'compact'
      ? [
          { name: 'cleanup.policy', value: 'compact' },
          // Else a quiet partition would keep for good what an erasure has replaced.
          { name: 'max.compaction.lag.ms', value: String(maxCompactionLagMs) },
        ]
      : [{ name: 'retention.ms', value: String(topic.retentionMs) }];
  return [
    { topic: topic.name, numPartitions: topic.partitions, replicationFactor, configEntries: retention },
    {
      topic: deadLetterTopic(topic),
      numPartitions: topic.partitions,
      replicationFactor,
      configEntries: [
        { name: 'retention.ms', value: String(deadLetterRetentionMs) },
        // A record of the largest size has grown by the headers that say why it is here.
        { name: 'max.message.bytes', value: String(2 * 1024 * 1024) },
      ],
    },
  ];
}

/** Creates what is missing of the topics and their dead-letter topics and waits for their leaders. Replicas may race. */
export async function ensureTopics(
  kafka: Pick<Kafka, 'admin'>,
  topics: readonly Topic[],
  options: EnsureTopicsOptions = {},
): Promise<EnsuredTopics> {
  const wanted = topics.flatMap((topic) => configOf(topic, options.replicationFactor ?? 1));
  const admin = kafka.admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const missing = wanted.filter(({ topic }) => !existing.has(topic));
    if (missing.length > 0) await admin.createTopics({ topics: missing, waitForLeaders: false });
    const actual = await partitionsWithLeaders(
      admin,
      wanted.map(({ topic }) => topic),
      options.timeoutMs ?? 30_000,
    );
    return {
      created: missing.map(({ topic }) => topic),
      differing: wanted.flatMap(({ topic, numPartitions: declared = 1 }) => {
        const count = actual.get(topic) ?? 0;
        return count === declared ? [] : [{ topic, declared, actual: count }];
      }),
    };
  } finally {
    await admin.disconnect();
  }
}

async function partitionsWithLeaders(admin: Admin, names: string[], timeoutMs: number): Promise<Map<string, number>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [] });
    const led = topics.filter(
      ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
    );
    const partitions = new Map(led.map((topic) => [topic.name, topic.partitions.length]));
    const leaderless = names.filter((name) => !partitions.has(name));
    if (leaderless.length === 0) return partitions;
    if (Date.now() >= deadline) throw new Error(`no leader within ${timeoutMs} ms: ${leaderless.join(', ')}`);
    await sleep(100);
  }
}
