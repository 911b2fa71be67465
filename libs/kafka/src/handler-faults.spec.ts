import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern } from '@nestjs/microservices';
import { describe, expect, it } from '@jest/globals';
import { defineTopic } from '@signalbox/contracts';
import { z } from 'zod';
import type { Batch } from './batch.ts';
import { createKafka } from './kafka.ts';
import { OnBatch } from './on-batch.ts';
import { BatchTransport } from './transport.ts';

const topic = (name: string) => defineTopic({ name, summary: '', key: '', messages: { 'test.v1': z.object({}) } });
const [a, b, c, d] = [topic('a'), topic('b'), topic('c'), topic('d')];

@Controller()
class Handlers {
  @OnBatch(a)
  async first(_batch: Batch): Promise<void> {}

  @OnBatch(a, d)
  async second(_batch: Batch): Promise<void> {}

  @EventPattern('c')
  plain(_data: unknown): void {}
}

@Module({ controllers: [Handlers] })
class App {}

describe('subscriptions', () => {
  it('refuses to boot and names every fault at once', async () => {
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const strategy = new BatchTransport({
      kafka: createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test' }, silent),
      groupId: 'svc',
      producer: { send: async () => undefined },
      topics: [a, b, c],
      apart: { others: [c] },
      transact: async (work) => work(undefined),
    });
    const app = await NestFactory.createMicroservice(App, { strategy, logger: false });
    await expect(app.listen()).rejects.toThrow(
      new Error(
        'subscriptions of svc: b has no @OnBatch handler; c is declared twice; ' +
          'a has 2 handlers: Handlers.first, Handlers.second; ' +
          'd is handled by Handlers.second but not subscribed to; c has a handler that is not @OnBatch',
      ),
    );
  });
});
