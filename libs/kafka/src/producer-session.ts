import type { ProducerBatch } from 'kafkajs';

export type TopicMessages = NonNullable<ProducerBatch['topicMessages']>;

/**
 * An idempotent producer of some client library, from its producer id to the first send it has to give up: after that its
 * sequence numbers are not to be trusted, and it is ended.
 */
export interface ProducerSession {
  connect(): Promise<void>;
  /** Resolves when every record is acknowledged by all in-sync replicas. After a rejection the session must be ended. */
  send(topicMessages: TopicMessages, timeoutMs: number): Promise<void>;
  /** Nothing is sent any more, not even by a retry that is under way; then the connections are closed. */
  end(): Promise<void>;
}
