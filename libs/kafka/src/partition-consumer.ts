import { deadLetterTopic, decode, type EventOf, type Topic } from '@signalbox/contracts';
import type { EachBatchPayload, KafkaMessage, Logger } from 'kafkajs';
import type { BatchRecord } from './batch.ts';
import { attributesOf, deadLetter } from './dead-letter.ts';
import { type DeadRecord, Interrupted } from './deliver.ts';
import type { JointDelivery } from './joint-delivery.ts';
import { isMembershipLost, isPassing } from './kafka-errors.ts';
import { Membership } from './membership.ts';
import { batchSeconds, consumedRecords, consumerLag, deadLettered } from './metrics.ts';
import type { OffsetCommits } from './offset-commits.ts';
import { type EventProducer, PublishTimeout } from './producer.ts';
import { backoffMs, type RetryPolicy } from './retry.rules.ts';

export interface PartitionConsumerOptions {
  readonly topic: Topic;
  readonly groupId: string;
  readonly maxBatch: number;
  readonly heartbeatMs: number;
  readonly policy: RetryPolicy;
  readonly producer: Pick<EventProducer, 'send'>;
  readonly stopping: AbortSignal;
  readonly log: Logger;
  readonly delivery: JointDelivery;
  readonly commits: OffsetCommits;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Takes one fetched batch of a partition through: decode, apply, dead-letter, commit; chunk by chunk, in order. */
export async function consumePartition(payload: EachBatchPayload, options: PartitionConsumerOptions): Promise<void> {
  const { batch } = payload;
  const labels = { topic: batch.topic, partition: String(batch.partition) };
  consumerLag.set(labels, Number(batch.offsetLagLow()));
  const membership = new Membership(payload, options.heartbeatMs, options.stopping);
  try {
    for (const chunk of chunks(batch.messages, options.maxBatch)) {
      if (membership.ending || !payload.isRunning() || payload.isStale()) break;
      const observe = batchSeconds.startTimer({ topic: batch.topic });
      await consumeChunk(chunk, payload, membership, options);
      observe();
      consumerLag.set(labels, Number(BigInt(batch.highWatermark) - nextOffset(chunk)));
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    membership.end();
  }
  if (membership.lost) throw membership.lost;
}

async function consumeChunk(
  messages: readonly KafkaMessage[],
  payload: EachBatchPayload,
  membership: Membership,
  options: PartitionConsumerOptions,
): Promise<void> {
  const { topic, partition } = payload.batch;
  const malformed: Dead[] = [];
  const read = () => {
    const sorted = sort(messages, options.topic, partition);
    malformed.push(...sorted.malformed);
    return sorted.fit;
  };
  const unfit = await options.delivery.deliver({ size: messages.length, read }, membership);
  const dead = [...malformed, ...unfit].sort((a, b) => (BigInt(a.record.offset) < BigInt(b.record.offset) ? -1 : 1));
  if (dead.length > 0) await store(dead, messages, topic, partition, membership, options);

  const last = messages.at(-1);
  if (!last) return;
  payload.resolveOffset(last.offset);
  await commit(nextOffset(messages), payload, membership, options);
  consumedRecords.inc({ topic, result: 'handled' }, messages.length - dead.length);
  consumedRecords.inc({ topic, result: 'dead_lettered' }, dead.length);
}

function sort(messages: readonly KafkaMessage[], topic: Topic, partition: number) {
  const fit: BatchRecord[] = [];
  const malformed: Dead[] = [];
  for (const message of messages) {
    const { offset } = message;
    const decoded = decode(topic, attributesOf(message.headers), message.value);
    if (!decoded.ok) {
      malformed.push({ record: { offset }, reason: decoded.reason, attempts: 1 });
      continue;
    }
    const event: EventOf<Topic> = decoded.event;
    fit.push({ event, key: message.key?.toString() ?? '', topic: topic.name, partition, offset, attempt: 1 });
  }
  return { fit, malformed };
}

type Dead = Pick<DeadRecord, 'reason' | 'attempts'> & { readonly record: Pick<BatchRecord, 'offset'> };

/** Produces the dead letters; until they are stored the offset must not move. */
async function store(
  dead: readonly Dead[],
  messages: readonly KafkaMessage[],
  topic: string,
  partition: number,
  membership: Membership,
  options: PartitionConsumerOptions,
): Promise<void> {
  const originals = new Map(messages.map((message) => [message.offset, message]));
  const at = new Date();
  const letters = dead.flatMap(({ record: { offset }, reason, attempts }) => {
    const original = originals.get(offset);
    const origin = { topic, partition, offset, group: options.groupId };
    return original ? [deadLetter(original, origin, { reason, attempts, at })] : [];
  });
  await untilDone(
    () => options.producer.send(deadLetterTopic(options.topic), letters),
    'dead letters not stored',
    membership,
    options,
  );
  deadLettered.inc({ topic }, letters.length);
  for (const { record, reason, attempts } of dead) {
    options.log.error('record dead-lettered', { topic, partition, offset: record.offset, reason, attempts });
  }
}

async function commit(
  offset: bigint,
  payload: EachBatchPayload,
  membership: Membership,
  options: PartitionConsumerOptions,
): Promise<void> {
  const { topic, partition } = payload.batch;
  await untilDone(
    () => options.commits.commit({ topic, partition, offset, through: payload }),
    'offset not committed',
    membership,
    options,
  );
}

/** For what only the cluster can fail (away, a topic or a right missing): repeated until it works or the partition is given up. */
async function untilDone(
  work: () => Promise<void>,
  failed: string,
  membership: Membership,
  { policy, random, log }: PartitionConsumerOptions,
): Promise<void> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (isMembershipLost(error)) {
        membership.lose(error);
        throw new Interrupted();
      }
      const level = isPassing(error) || error instanceof PublishTimeout ? 'warn' : 'error';
      log[level](failed, { failures, err: error });
      await membership.wait(backoffMs(policy, failures, random()));
    }
  }
}

function nextOffset(messages: readonly KafkaMessage[]): bigint {
  return BigInt(messages.at(-1)?.offset ?? -1) + 1n;
}

function* chunks<T>(items: readonly T[], size: number): Iterable<T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
