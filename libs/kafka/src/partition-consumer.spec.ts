import { describe, expect, it } from '@jest/globals';
import { defineTopic } from '@signalbox/contracts';
import kafkajs, { type EachBatchPayload, type KafkaMessage } from 'kafkajs';
import { z } from 'zod';
import type { Batch } from './batch.ts';
import { JointDelivery } from './joint-delivery.ts';
import { OffsetCommits } from './offset-commits.ts';
import { consumePartition, type PartitionConsumerOptions } from './partition-consumer.ts';

const topic = defineTopic({ name: 't', summary: '', key: '', messages: { 'test.v1': z.object({ n: z.int() }) } });

const message = (n: number, value = JSON.stringify({ n })): KafkaMessage => ({
  key: Buffer.from('k'),
  value: Buffer.from(value),
  headers: { ce_id: String(n), ce_source: '//test', ce_type: 'test.v1' },
  offset: String(n),
  timestamp: '0',
  attributes: 0,
});

const rebalance = new kafkajs.KafkaJSProtocolError({
  type: 'REBALANCE_IN_PROGRESS',
  code: 27,
  message: 'The group is rebalancing, so a rejoin is needed',
  retriable: false,
} as unknown as Error);

/** Consumes the messages; `did` is what happened to the outside world, in order. */
async function consume(
  messages: KafkaMessage[],
  payload: Partial<EachBatchPayload> = {},
  { apply, ...overrides }: Partial<PartitionConsumerOptions> & { apply?: (batch: Batch) => Promise<void> } = {},
) {
  const did: string[] = [];
  const logged: string[] = [];
  const at = (level: string) => (text: string) => void logged.push(`${level} ${text}`);
  const log = { warn: at('warn'), error: at('error') } as unknown as PartitionConsumerOptions['log'];
  const policy = { attempts: 2, baseMs: 0, maxMs: 0 };
  const random = () => 0;
  const ended = consumePartition(
    {
      batch: { topic: topic.name, partition: 0, messages, highWatermark: '100', offsetLagLow: () => '0' },
      heartbeat: async () => undefined,
      resolveOffset: (offset: string) => void did.push(`resolve ${offset}`),
      commitOffsetsIfNecessary: async (offsets) => void did.push(`commit ${offsets?.topics[0]?.partitions[0]?.offset}`),
      isRunning: () => true,
      isStale: () => false,
      ...payload,
    } as EachBatchPayload,
    {
      topic,
      groupId: 'svc',
      maxBatch: 2,
      heartbeatMs: 1,
      policy,
      producer: { send: async (to, letters) => void did.push(`${to} ${letters.length}`) },
      stopping: new AbortController().signal,
      log,
      delivery: new JointDelivery({
        topic: topic.name,
        apply: apply ?? (async (batch) => void did.push(`apply ${batch.map(({ offset }) => offset).join()}`)),
        policy,
        isTransient: () => false,
        random,
        maxBatch: 2,
        concurrency: 1,
        gatherMs: 0,
        log,
      }),
      commits: new OffsetCommits(),
      random,
      ...overrides,
    },
  );
  const error: unknown = await ended.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { did, logged, error };
}

describe('consumePartition', () => {
  it('applies and commits chunk by chunk', async () => {
    const { did, error } = await consume([0, 1, 2].map((n) => message(n)));
    expect(did).toEqual(['apply 0,1', 'resolve 1', 'commit 2', 'apply 2', 'resolve 2', 'commit 3']);
    expect(error).toBeUndefined();
  });

  it('moves the offset only when the dead letters are stored', async () => {
    const did: string[] = [];
    let tries = 0;
    const producer = {
      send: async () => {
        did.push('send');
        if (++tries < 4) throw new Error('TOPIC_AUTHORIZATION_FAILED');
      },
    };
    const { did: after, error } = await consume(
      [message(0, 'not json'), message(1)],
      { commitOffsetsIfNecessary: async () => void did.push('commit') },
      { producer, apply: async () => void did.push('apply') },
    );
    expect(did).toEqual(['apply', 'send', 'send', 'send', 'send', 'commit']);
    expect(after).toEqual(['resolve 1']);
    expect(error).toBeUndefined();
  });

  it('finishes and commits its chunk when the group rebalances, begins no other, and rejoins', async () => {
    const noticed = Promise.withResolvers<void>();
    const did: string[] = [];
    const { error, logged } = await consume(
      [0, 1, 2].map((n) => message(n)),
      {
        heartbeat: async () => {
          noticed.resolve();
          throw rebalance;
        },
        commitOffsetsIfNecessary: async () => void did.push('commit'),
      },
      {
        apply: async () => {
          await noticed.promise;
          did.push('apply');
        },
      },
    );
    expect(did).toEqual(['apply', 'commit']);
    expect(error).toBe(rebalance);
    expect(logged).toEqual([]);
  });

  it('takes a commit that comes too late for a rebalance, not for a fault', async () => {
    const { did, error, logged } = await consume([message(0)], {
      commitOffsetsIfNecessary: async () => {
        throw rebalance;
      },
    });
    expect(did).toEqual(['apply 0', 'resolve 0']);
    expect(error).toBe(rebalance);
    expect(logged).toEqual([]);
  });

  it('goes on through heartbeats the coordinator does not answer', async () => {
    const beaten = Promise.withResolvers<void>();
    const { did, error } = await consume(
      [message(0)],
      {
        heartbeat: async () => {
          beaten.resolve();
          throw new kafkajs.KafkaJSConnectionError('ECONNREFUSED');
        },
      },
      { apply: () => beaten.promise },
    );
    expect(did).toEqual(['resolve 0', 'commit 1']);
    expect(error).toBeUndefined();
  });

  it('begins nothing once it is stopping', async () => {
    const { did } = await consume([message(0)], {}, { stopping: AbortSignal.abort() });
    expect(did).toEqual([]);
  });
});
