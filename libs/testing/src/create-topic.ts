import type { ITopicConfig, Kafka } from 'kafkajs';
import { eventually } from './eventually.ts';

/**
 * Creates a topic and waits until all its partitions have a leader. kafkajs's own waiting fails when the broker does not
 * list the topic yet at the first look.
 */
export async function createTopic(kafka: Pick<Kafka, 'admin'>, topic: ITopicConfig): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [topic], waitForLeaders: false });
    await eventually(async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic.topic] });
      const partitions = topics[0]?.partitions ?? [];
      if (partitions.length === 0 || partitions.some(({ leader }) => leader < 0)) throw new Error('no leader yet');
    });
  } finally {
    await admin.disconnect();
  }
}
